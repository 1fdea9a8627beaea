package backends

// Wrapper is a Backend around another one. It may have all of the optional
// interfaces, such as [Copier]; [As] finds only those that the inner one has.
type Wrapper interface {
	Backend
	// Unwrap returns the inner Backend.
	Unwrap() Backend
}

// As returns b as one of the optional interfaces, T, if it has it. Ask this way,
// not by a type assertion, which would take a [Wrapper] by its word.
func As[T any](b Backend) (T, bool) {
	if w, ok := b.(Wrapper); ok {
		if _, ok := As[T](w.Unwrap()); !ok {
			return *new(T), false
		}
	}
	t, ok := b.(T)
	return t, ok
}
