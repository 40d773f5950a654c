package routing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (o CensusOptions) withDefaults() CensusOptions {
	if o.Examples == 0 {
		o.Examples = defaultExamples
	}
	if o.PageSize <= 0 {
		o.PageSize = defaultCensusPage
	}
	if o.Pause == 0 {
		o.Pause = defaultCensusPause
	}
	return o
}

// censusTaker is a census under way.
type censusTaker struct {
	store   Store
	config  Config
	options CensusOptions
	census  Census
	owners  map[owner]*OwnerCount
	// reads counts the records that were read on their own since the last pause.
	reads int
}

func (t *censusTaker) take(ctx context.Context) error {
	for cursor := ""; ; {
		page, next, err := t.list(ctx, cursor)
		if err != nil {
			return fmt.Errorf("listing records: %w", err)
		}
		if err := t.count(ctx, page); err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		cursor = next
		if err := t.pause(ctx); err != nil {
			return err
		}
	}
}

func (t *censusTaker) list(ctx context.Context, cursor string) (page []Listed, next string, err error) {
	ctx, cancel := patience(ctx)
	defer cancel()
	return t.store.List(ctx, cursor, t.options.PageSize)
}

// patience is the context of one command. The end of a census comes between commands: a command that was cut off would
// look as if the store did not answer.
func patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), censusCommandTimeout)
}

// ended tells that the census was cut short.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: the census was cut short: %w", ErrUnavailable, err)
	}
	return nil
}

// count takes the records of a page in.
func (t *censusTaker) count(ctx context.Context, page []Listed) error {
	instances := make(map[InstanceID]*Record)
	var bindings []*Record
	for _, listed := range page {
		record, err := listed.decode()
		if err != nil {
			t.census.Unreadable.add(t.options.Examples, UnreadableFinding{
				Key: listed.Key, Newer: errors.Is(err, ErrNewerRecord), Problem: err.Error(),
			})
			continue
		}
		t.countRecord(listed.Key, record)
		if listed.Key.Binding == "" {
			instances[listed.Key.Instance] = record
		} else if record.Live() {
			bindings = append(bindings, record)
		}
	}
	if t.options.SkipLeftovers {
		return nil
	}
	for _, binding := range bindings {
		if err := t.countLeftover(ctx, binding, instances[binding.Instance]); err != nil {
			return err
		}
	}
	return nil
}

// decode reads the record. Its ids are the key's, whatever it says itself.
func (l *Listed) decode() (*Record, error) {
	record, err := DecodeRecord(l.Data)
	if err != nil {
		return nil, err
	}
	if record == nil {
		return nil, errors.New("decoding record: it is empty")
	}
	record.Instance, record.Binding = l.Key.Instance, l.Key.Binding
	return record, nil
}

func (t *censusTaker) countRecord(key Key, record *Record) {
	if key.Binding == "" {
		t.census.Instances[record.State]++
		t.countPlan(record)
	} else {
		t.census.Bindings[record.State]++
	}
	if count := t.owner(record); count == nil {
		t.census.OtherOwners++
	} else if record.Live() {
		count.Live++
	} else {
		count.Gone++
	}
	if len(record.Strays) > 0 {
		t.census.Strays.add(t.options.Examples, StrayFinding{Key: key, Owner: record.Backend, Strays: record.Strays})
	}
	if record.Unfinished() {
		t.countUnfinished(UnfinishedFinding{
			Key: key, Backend: record.Backend, State: record.State, Kind: record.Op.Kind, Since: record.Updated,
		})
	}
}

// countPlan counts a live instance under its plan, unless there are too many plans to be told apart.
func (t *censusTaker) countPlan(record *Record) {
	if t.census.Plans == nil || !record.Live() {
		return
	}
	of := PlanOf{record.Platform, record.Backend, record.Service, record.Plan}
	if _, known := t.census.Plans[of]; known || len(t.census.Plans) < maxPlans {
		t.census.Plans[of]++
	}
}

// countUnfinished keeps those that wait longest as examples.
func (t *censusTaker) countUnfinished(found UnfinishedFinding) {
	unfinished := &t.census.Unfinished
	unfinished.Count++
	at, _ := slices.BinarySearchFunc(unfinished.Examples, found, func(a, b UnfinishedFinding) int {
		if order := cmp.Compare(a.Since, b.Since); order != 0 {
			return order
		}
		return compareKeys(a.Key, b.Key)
	})
	unfinished.Examples = slices.Insert(unfinished.Examples, at, found)
	if len(unfinished.Examples) > t.options.Examples {
		unfinished.Examples = unfinished.Examples[:t.options.Examples]
	}
}

// owner is who a record belongs to.
type owner struct {
	platform PlatformID
	backend  BackendID
}

func compareOwners(a, b owner) int {
	if order := strings.Compare(string(a.platform), string(b.platform)); order != 0 {
		return order
	}
	return strings.Compare(string(a.backend), string(b.backend))
}

// owner returns the count of a record's owner; nil if there are too many to be told apart.
func (t *censusTaker) owner(record *Record) *OwnerCount {
	of := owner{record.Platform, record.Backend}
	count := t.owners[of]
	if count == nil && len(t.owners) < maxOwners {
		count = &OwnerCount{Platform: record.Platform, Backend: record.Backend}
		_, count.PlatformKnown = t.config.Platform(record.Platform)
		_, count.BackendKnown = t.config.Window(record.Backend)
		t.owners[of] = count
	}
	return count
}

// countLeftover judges a live binding. The instance is the one of the same page, nil if it is not there. What looks
// like a leftover is read again, both records in one moment: they may have changed between two pages.
func (t *censusTaker) countLeftover(ctx context.Context, binding, instance *Record) error {
	if instance != nil && leftover(binding, instance) == "" {
		return nil
	}
	if t.reads++; t.reads >= t.options.PageSize {
		if err := t.pause(ctx); err != nil {
			return err
		}
	}
	key := Key{Instance: binding.Instance, Binding: binding.Binding}
	if err := ended(ctx); err != nil {
		return err
	}
	patient, cancel := patience(ctx)
	snapshot, err := t.store.Read(patient, key)
	cancel()
	switch {
	case errors.Is(err, ErrUnknownStore):
		return nil // neither record is there any more
	case err != nil:
		return fmt.Errorf("reading the instance of a binding: %w", err)
	}
	now, err := decode(snapshot)
	if err != nil {
		return nil //nolint:nilerr // an unreadable record is counted where it is listed
	}
	if now.records.Binding == nil || !now.records.Binding.Live() {
		return nil
	}
	if reason := leftover(now.records.Binding, now.records.Instance); reason != "" {
		t.census.Leftovers.add(t.options.Examples, LeftoverFinding{
			Key: key, Backend: now.records.Binding.Backend, Reason: reason,
		})
	}
	return nil
}

// leftover tells why a live binding has no instance that it belongs to; empty if it has one.
func leftover(binding, instance *Record) LeftoverReason {
	switch {
	case instance == nil:
		return LeftoverInstanceAbsent
	case !instance.Live():
		return LeftoverInstanceGone
	case binding.ParentLife != "" && binding.ParentLife != instance.Life:
		return LeftoverEarlierInstance
	}
	return ""
}

// pause rests, so that a census does not take the store from the calls of platforms.
func (t *censusTaker) pause(ctx context.Context) error {
	t.reads = 0
	if t.options.Pause > 0 {
		timer := time.NewTimer(t.options.Pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ended(ctx)
}
