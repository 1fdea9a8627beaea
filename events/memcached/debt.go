package memcached

import "time"

// payInterval is the time between two attempts to settle a debt.
const payInterval = 250 * time.Millisecond

// owes reports whether the server has missed a deletion: nothing that it
// holds can be believed.
func (s *server) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owing
}

// owe notes that a server missed a deletion, and has the debt settled in the
// background.
func (l *Listener) owe(s *server, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.owing {
		s.log.Warn("memcached missed a change; its rows are not used until they have been dropped", "error", cause)
	}
	s.owing = true
	s.debts++
	if !s.paying {
		s.paying = true
		l.payers.Go(func() { l.payUntilDone(s) })
	}
}

// payUntilDone settles the debt of a server, or ends with the listener.
func (l *Listener) payUntilDone(s *server) {
	ticker := time.NewTicker(payInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-ticker.C:
		}
		if l.pay(s) {
			return
		}
	}
}

// pay drops all rows of a server that missed a deletion, and reports whether
// it owes nothing any more. A deletion that is missed meanwhile remains owed:
// it may be younger than what was dropped.
func (l *Listener) pay(s *server) bool {
	s.mu.Lock()
	debts, owing := s.debts, s.owing
	s.mu.Unlock()
	if !owing {
		return true
	}
	if err := l.dropAll(s); err != nil {
		return false
	}
	return s.settle(debts)
}

// settle notes that all rows were dropped after the server had missed that many
// deletions, and reports whether it missed none since.
func (s *server) settle(debts uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.debts != debts {
		return false
	}
	s.owing, s.paying = false, false
	s.log.Info("memcached is used again: its rows have been dropped")
	return true
}

// dropAll makes every row of a server unknown, to us and to PHP.
func (l *Listener) dropAll(s *server) error {
	if err := s.drop(l.tokenKey("")); err != nil || !l.shared {
		return err
	}
	return s.flush()
}
