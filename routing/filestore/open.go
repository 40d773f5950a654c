package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// lockTimeout is how long another process may take to give the file up, as one that is just ending does.
	lockTimeout = time.Second
	// format and version are in the meta bucket of each file of this store.
	format  = "osb gateway ownership store"
	version = 1

	directoryMode = 0o700
	fileMode      = 0o600
)

var (
	formatKey  = []byte("format")
	versionKey = []byte("version")
)

// openFile opens the file, makes it where it is missing or empty, and starts its writer.
func openFile(path string) (*file, error) {
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, directoryMode); err != nil {
		return nil, fmt.Errorf("creating its directory: %w", err)
	}
	exists, err := inspect(path)
	if err != nil {
		return nil, err
	}
	db, release, err := openDatabase(path, false)
	if err != nil {
		return nil, err
	}
	if err := guard(func() error { return initialize(db) }); err != nil {
		return nil, errors.Join(err, release())
	}
	if !exists {
		if err := syncDirectory(directory); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return newFile(db, release), nil
}

// inspect looks at what is at path without being able to change it, for the database would at once repair and rewrite
// what it opens for writing. It tells whether there is anything.
func inspect(path string) (exists bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, errors.New("it is no regular file")
	case info.Size() == 0:
		return false, nil
	}
	db, release, err := openDatabase(path, true)
	if err != nil {
		return true, err
	}
	if err := guard(func() error {
		return db.View(func(tx *bbolt.Tx) error { return checkContent(tx, info.Size()) })
	}); err != nil {
		return true, errors.Join(untouched(err), release())
	}
	return true, db.Close()
}

// openDatabase opens the file as a database. Calling release gives the file up where the database cannot be closed in
// good order, for it panicked and may have left locks behind.
func openDatabase(path string, readOnly bool) (db *bbolt.DB, release func() error, err error) {
	var opened *os.File
	options := &bbolt.Options{
		Timeout:      lockTimeout,
		ReadOnly:     readOnly,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			opened, err = os.OpenFile(name, flag, mode) //nolint:gosec // the file is the operator's choice
			return opened, err
		},
	}
	release = func() error {
		if opened == nil {
			return nil
		}
		if err := errors.Join(unlock(opened), opened.Close()); err != nil {
			return fmt.Errorf("giving up the file: %w", err)
		}
		return nil
	}
	panicked := true
	err = guard(func() error {
		var err error
		db, err = bbolt.Open(path, fileMode, options)
		panicked = false
		return err
	})
	switch {
	case err == nil:
		return db, release, nil
	case panicked:
		return nil, nil, errors.Join(untouched(err), release())
	}
	return nil, nil, explain(err)
}

// explain says what an error of the database means here.
func explain(err error) error {
	var pathError *fs.PathError
	var errno syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return errors.New("the file is in use by another process, or by another gateway of this one; " +
			"the file store is for one process, use the redis store for several")
	case errors.As(err, &pathError), errors.As(err, &errno):
		return err
	}
	return untouched(fmt.Errorf("the file is no ownership store, or it is damaged: %w", err))
}

// untouched says that a file that was refused is not changed.
func untouched(err error) error {
	return fmt.Errorf("%w; it was left as it is", err)
}

// checkContent tells whether the database is one that this store can use: its own, or one without anything in it.
func checkContent(tx *bbolt.Tx, size int64) error {
	if tx.Size() > size {
		return fmt.Errorf("%w: it has %d bytes and should have %d", errDamaged, size, tx.Size())
	}
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return fmt.Errorf("the file is a database of another program (it holds %.40q)", name)
		}
		return nil
	}
	if !bytes.Equal(meta.Get(formatKey), []byte(format)) {
		return errors.New("the file is a database of another program")
	}
	found, err := strconv.Atoi(string(meta.Get(versionKey)))
	switch {
	case err != nil || found < 1:
		return fmt.Errorf("%w: its version is %.40q", errDamaged, meta.Get(versionKey))
	case found > version:
		return fmt.Errorf("the file has version %d of its format, and this gateway knows version %d; "+
			"use the newer gateway that wrote it", found, version)
	}
	for _, name := range dataBuckets() {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: it has no bucket %s", errDamaged, name)
		}
	}
	return nil
}

// initialize makes the buckets of a new file. It checks the content again, which another process may have written
// meanwhile.
func initialize(db *bbolt.DB) error {
	info, err := os.Stat(db.Path())
	if err != nil {
		return err
	}
	isNew := false
	if err := db.View(func(tx *bbolt.Tx) error {
		isNew = tx.Bucket(metaBucket) == nil
		return checkContent(tx, info.Size())
	}); err != nil {
		return untouched(err)
	}
	if !isNew {
		return nil
	}
	return db.Update(func(tx *bbolt.Tx) error {
		for _, name := range dataBuckets() {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if err := meta.Put(formatKey, []byte(format)); err != nil {
			return err
		}
		return meta.Put(versionKey, []byte(strconv.Itoa(version)))
	})
}

func dataBuckets() [][]byte {
	return [][]byte{instancesBucket, bindingsBucket, expiriesBucket, unfinishedBucket, documentsBucket}
}

// syncDirectory flushes the directory, without which a new file may be missing after a power cut.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil // It has no way to flush a directory, and needs none.
	}
	directory, err := os.Open(path) //nolint:gosec // the file is the operator's choice
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
