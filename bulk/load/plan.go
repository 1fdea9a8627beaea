package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Op is a kind of operation.
type Op int

// The operations.
const (
	Read   Op = iota // open a file and read all of it
	Write            // store a new version of a file
	Expire           // delete a file as the cluster does: its body stays until a purge
	opCount
)

func (o Op) String() string { return [...]string{"read", "write", "expire"}[o] }

// Mix says how often each operation comes, as weights of any sum.
type Mix [opCount]float64

// ParseMix reads weights such as "read=90,write=9,expire=1". An operation that
// is not named does not come.
func ParseMix(text string) (m Mix, err error) {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), "=")
		op, known := map[string]Op{"read": Read, "write": Write, "expire": Expire}[name]
		if !known || seen[name] {
			return Mix{}, fmt.Errorf("%q: name read, write and expire once each, as in read=90,write=9,expire=1", part)
		}
		seen[name] = true
		if m[op], err = strconv.ParseFloat(weight, 64); err != nil || !(m[op] >= 0 && m[op] <= 1e6) {
			return Mix{}, fmt.Errorf("%q: %q is not a weight", part, weight)
		}
	}
	if m.total() <= 0 {
		return Mix{}, errors.New("no operation has a weight")
	}
	return m, nil
}

func (m Mix) total() (sum float64) {
	for _, weight := range m {
		sum += weight
	}
	return sum
}

func (m Mix) pick(random *rand.Rand) Op {
	x := random.Float64() * m.total()
	for op, weight := range m {
		if x -= weight; x < 0 {
			return Op(op)
		}
	}
	return Read
}

// String is the mix as ParseMix reads it.
func (m Mix) String() string {
	var parts []string
	for op, weight := range m {
		if weight > 0 {
			parts = append(parts, fmt.Sprintf("%v=%v", Op(op), weight))
		}
	}
	return strings.Join(parts, ",")
}

// Sizes are the sizes of files and how many of a hundred have each.
type Sizes []Size

// Size is one of Sizes.
type Size struct {
	Bytes   int64
	Percent float64
}

// maxSize is the largest size of a file, what S3 takes.
const maxSize = 5 << 40

// ParseSizes reads sizes such as "10KB,100KB:20%,5MB:1%". Those without a share
// divide among them what the others leave; units are powers of 1000 (KB, MB, GB)
// or of 1024 (KiB, MiB, GiB).
func ParseSizes(text string) (Sizes, error) {
	var sizes Sizes
	var open []int
	left := 100.0
	for part := range strings.SplitSeq(text, ",") {
		size, share, shared := strings.Cut(strings.TrimSpace(part), ":")
		n, err := humanize.ParseBytes(size)
		if err != nil || n < headerSize || n > maxSize {
			return nil, fmt.Errorf("%q is not a size from %dB to 5TiB", size, headerSize)
		}
		s := Size{Bytes: int64(n)}
		if shared {
			if s.Percent, err = strconv.ParseFloat(strings.TrimSuffix(share, "%"), 64); err != nil || !(s.Percent >= 0 && s.Percent <= 100) {
				return nil, fmt.Errorf("%q is not a share from 0%% to 100%%", share)
			}
			left -= s.Percent
		} else {
			open = append(open, len(sizes))
		}
		sizes = append(sizes, s)
	}
	const noise = 1e-6
	if left < -noise || left > noise && len(open) == 0 {
		return nil, fmt.Errorf("the shares of %q sum up to %.6g%%", text, 100-left)
	}
	for _, i := range open {
		sizes[i].Percent = max(left, 0) / float64(len(open))
	}
	return sizes, nil
}

func (s Sizes) pick(random *rand.Rand) int64 {
	x := random.Float64() * 100
	for _, size := range s {
		if x -= size.Percent; x < 0 {
			return size.Bytes
		}
	}
	return s[len(s)-1].Bytes
}

// Mean is the size of a file on average, in bytes.
func (s Sizes) Mean() (mean float64) {
	for _, size := range s {
		mean += float64(size.Bytes) * size.Percent / 100
	}
	return mean
}
