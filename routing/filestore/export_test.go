package filestore

import "go.etcd.io/bbolt"

// Flushes tells whether each write is flushed to the disk, for tests.
func (s *Store) Flushes() bool {
	return !s.file.db.NoSync && !s.file.db.NoGrowSync && !s.file.db.NoFreelistSync
}

// Transactions tells how many write transactions the file has seen, for tests.
func (s *Store) Transactions() (count int) {
	_ = s.file.db.View(func(tx *bbolt.Tx) error {
		count = tx.ID()
		return nil
	})
	return count
}
