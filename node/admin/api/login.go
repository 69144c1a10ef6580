package api

import "time"

// Login is the one-time code of a link that "tocsin ui" made.
type Login struct {
	Code string `json:"code" minLength:"1" maxLength:"128"`
}

// LoggedIn is who is logged in by the session's cookie; the role is "nobody" after a logout.
type LoggedIn struct {
	Name    string    `json:"name,omitempty"`
	Role    string    `json:"role"`
	Expires time.Time `json:"expires,omitzero"`
}
