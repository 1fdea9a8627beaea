package events

// Argument is one argument of an event under the name that logs and webhooks
// give it.
type Argument struct {
	Name  string
	Value any // a string or a uint64
}

// LegacyName is the event's name in the legacy: "cluster/deleteFile".
func (e Event) LegacyName() string { return "cluster/" + string(e.Kind) }

// Arguments returns what the event says beside its kind, for people and
// programs outside.
func (e Event) Arguments() []Argument {
	switch e.Kind {
	case StoreMetadata:
		return []Argument{{"path", e.Row.Name}}
	case DeleteFile:
		if e.Subject == "" {
			return []Argument{{"hash", e.Hash}}
		}
		return []Argument{{"path", e.Subject}}
	case DeleteByLike:
		return []Argument{{"prefix", e.Subject}, {"like", e.Like()}}
	case DeleteByDirList:
		return []Argument{{"prefix", e.Subject}, {"common", e.Common}, {"dir", e.Dir}, {"suffix", e.Suffix}}
	case DeleteByNametrunk:
		return []Argument{{"trunk", e.Subject}}
	case DeleteByWildcard:
		return []Argument{{"wildcard", e.Subject}}
	case DeleteByScope:
		return []Argument{{"scope", e.Subject}}
	case Lost:
		return []Argument{{"count", e.Count}}
	}
	return []Argument{{"subject", e.Subject}}
}
