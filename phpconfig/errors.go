package phpconfig

import "example.com/ezdfs/settings"

// A LineError says what cannot be used of a file, or, as a warning, what was
// not taken. Values are never part of it: they may be passwords.
type LineError struct {
	Origin   settings.Origin
	Constant string // "" where it is about no constant, or an unknown one
	Reason   string // what is wrong, or what to do
}

func (e *LineError) Error() string {
	text := e.Origin.String() + ": "
	if e.Constant != "" {
		text += e.Constant + ": "
	}
	return text + e.Reason
}
