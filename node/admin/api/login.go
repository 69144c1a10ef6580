package api

import "time"

// Login is the one-time code of a link that "tocsin ui" made.
type Login struct {
	// Code is the code behind the # of the link.
	Code string `json:"code" minLength:"1" maxLength:"128"`
}

// LoggedIn is who is logged in by the session's cookie; the role is "nobody" after a logout.
type LoggedIn struct {
	// Name is who is logged in; absent after a logout.
	Name string `json:"name,omitempty"`
	// Role is what the session may do: viewer, analyst, operator or owner; nobody after a logout.
	Role string `json:"role"`
	// Expires is when the session ends; absent after a logout.
	Expires time.Time `json:"expires,omitzero"`
	// Proof is the other half of the session: to be sent as the header Tocsin-Session with every request, since browsers send the cookie to every
	// port of a host.
	Proof string `json:"proof,omitempty"`
}
