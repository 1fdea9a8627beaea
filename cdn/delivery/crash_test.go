package delivery

const roleVariable = "EZDFS_TEST_CDN_ROLE"

func playWorker(string) int { return 1 }
