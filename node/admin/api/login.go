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
	// Proof is the other half of the session: browsers send the cookie to every port of a host.
	Proof string `json:"proof,omitempty" doc:"to be sent as the header Tocsin-Session with every request"`
}
