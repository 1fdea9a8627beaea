package check

// Kind is a kind of finding.
type Kind string

// The kinds of findings.
const (
	OrphanBody      Kind = "orphan-body"
	StrayBody       Kind = "stray-body"
	MisplacedBody   Kind = "misplaced-body"
	StagedLeftover  Kind = "staged-leftover"
	MissingBody     Kind = "missing-body"
	WrongSize       Kind = "wrong-size"
	WrongTime       Kind = "wrong-time"
	DamagedBody     Kind = "damaged-body"
	StaleGeneration Kind = "stale-generation"
	WrongTable      Kind = "wrong-table"
	WrongHash       Kind = "wrong-hash"
	WrongTrunk      Kind = "wrong-trunk"
	HalfExpired     Kind = "half-expired"
	InvalidName     Kind = "invalid-name"
	CaseTwin        Kind = "case-twin"
)

// Fix is which permission mends a kind.
type Fix string

// The permissions. Repair mends what has one right answer, Delete removes what
// belongs to nobody; for the rest somebody has to decide.
const (
	Nothing Fix = ""
	Repair  Fix = "repair"
	Delete  Fix = "delete"
)

// side is which half of a check looks for a kind.
type side int

const (
	storage  side = iota // bodies against rows
	database             // rows against bodies
)

// Meaning describes a kind.
type Meaning struct {
	Kind Kind
	side side
	// What is found, in a sentence.
	What string
	// Fix mends it, and How says by what.
	Fix Fix
	How string
}

// Kinds lists all kinds of findings.
func Kinds() []Meaning {
	return []Meaning{
		{OrphanBody, storage, "a body that no row names, older than the grace", Delete, "deletes the body, into the trash where its backend has one"},
		{StrayBody, storage, "a body on a backend that the rules do not name for its path, while its file needs none there", Delete, "deletes that body, likewise"},
		{MisplacedBody, storage, "the only body of a live row lies on a backend that the rules do not name for it", Repair, "moves the body to where readers look"},
		{StagedLeftover, storage, "a staged body or an unfinished upload, older than the grace, whose writer is gone", Delete, "removes it"},
		{MissingBody, database, "a live row without a body on any backend", Delete, "expires the row"},
		{WrongSize, database, "a live row whose size is not that of its body", Repair, "gives the row the size and time of the body"},
		{WrongTime, database, "a live row whose mtime is not the time that is kept with its body, as a crash leaves it", Repair, "gives the row the time of the body"},
		{DamagedBody, database, "a body that cannot be read to its end, or whose bytes are not those of the store's checksum (--contents)", Nothing, ""},
		{StaleGeneration, database, "the lock of a cache file's generation, past CacheGenerationTimeout", Repair, "deletes the row and the body of that name"},
		{WrongTable, database, "a row in the table that its path does not belong to", Repair, "moves the row, or deletes it where the right table has one"},
		{WrongHash, database, "a row whose name_hash is not the MD5 of its name", Repair, "corrects the hash, or deletes the row where the right one exists"},
		{WrongTrunk, database, "a row whose name_trunk is not that of its name and scope", Repair, "corrects the trunk"},
		{HalfExpired, database, "a row with expired=0 and a negative mtime other than the -1 by which PHP stores a file of 1970, or expired=1 and another", Repair, "expires the row"},
		{InvalidName, database, "a row whose name is not clean, so that no operation finds it", Repair, "gives it the clean name; where there is none --delete deletes the row"},
		{CaseTwin, database, "a live row whose name differs from another's in case only: in PHP what expires the one by prefix takes the other along", Nothing, ""},
	}
}

// meaning finds the description of a kind.
func meaning(k Kind) Meaning {
	for _, m := range Kinds() {
		if m.Kind == k {
			return m
		}
	}
	return Meaning{Kind: k}
}
