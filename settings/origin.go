package settings

import "fmt"

// Origin is where a value was set.
type Origin struct {
	File string `json:"file,omitempty"` // "" for a default; "environment" for a variable
	Line int    `json:"line,omitempty"` // 1-based; 0 where there is no line
	// Name is the environment variable, when File is "environment".
	Name string `json:"name,omitempty"`
}

// environment is the Origin.File of values from environment variables.
const environment = "environment"

// String is "file:line", "environment NAME" or "default".
func (o Origin) String() string {
	switch {
	case o.File == "":
		return "default"
	case o.Name != "":
		return o.File + " " + o.Name
	case o.Line == 0:
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}
