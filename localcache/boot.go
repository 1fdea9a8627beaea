package localcache

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"os"
)

// bootIDFile is where Linux names the current boot.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// bootID names the current boot of the host. Where the system does not, every
// process counts as a boot of its own, and so looks once at the checksum of
// what others wrote.
func bootID() uint64 {
	id, err := os.ReadFile(bootIDFile)
	if err != nil || len(id) == 0 {
		id = []byte(rand.Text())
	}
	sum := md5.Sum(id)
	return binary.LittleEndian.Uint64(sum[:])
}
