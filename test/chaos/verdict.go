package chaos

import (
	"fmt"
	"slices"
)

// Rule is what must never happen.
type Rule string

// The rules.
const (
	// Unroutable: a broker holds it, and a fresh gateway does not find the way there without a service_id.
	Unroutable Rule = "unroutable"
	// TwoOwners: two brokers held one id at the same time.
	TwoOwners Rule = "two owners"
	// LivesOn: a platform was told that it is deleted, and a broker holds it.
	LivesOn Rule = "lives on"
	// FalseGoodbye: a call was told 404 or 410, not by the broker that held it from the call's beginning to its end.
	FalseGoodbye Rule = "false goodbye"
	// CatalogShrank: a catalog without offerings that no broker withdrew.
	CatalogShrank Rule = "catalog shrank"
	// NeverTold: a platform tried for very long, with everything healed, and was never told how it ended.
	NeverTold Rule = "never told"
)

// Violation is a rule that was broken.
type Violation struct {
	Rule Rule
	// Key is empty where the violation is of no instance.
	Key  Key
	Text string
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.Rule, v.Key, v.Text) }

// Evidence is all that a verdict rests on.
type Evidence struct {
	Calls []Call
	Lives []Life
	// Routes are GETs without a query through a fresh gateway, one for each key that is held in the end.
	Routes []Call
	// Offerings is how many offerings the brokers have.
	Offerings int
	// Stuck are those that a platform could not come to an end with.
	Stuck []Key
}

// Judge returns all violations. An instance that a broker holds without a platform's knowing of it is none, as long as
// the gateway leads there: some platforms give up a create without a DELETE. Nor is a 404 or a 410 that the broker which
// holds the instance said itself.
func Judge(e Evidence) []Violation {
	c := &court{Evidence: e, lives: make(map[Key][]Life), calls: make(map[Key][]Call)}
	for _, life := range e.Lives {
		c.lives[life.Key] = append(c.lives[life.Key], life)
	}
	for _, call := range e.Calls {
		c.calls[call.Key] = append(c.calls[call.Key], call)
	}
	c.judgeRoutes()
	c.judgeOwners()
	c.judgeDeletions()
	c.judgeAnswers()
	for _, key := range e.Stuck {
		c.find(NeverTold, key, "the platform still tries")
	}
	return c.found
}

type court struct {
	Evidence

	lives map[Key][]Life
	calls map[Key][]Call
	found []Violation
}

func (c *court) find(rule Rule, key Key, format string, arguments ...any) {
	c.found = append(c.found, Violation{Rule: rule, Key: key, Text: fmt.Sprintf(format, arguments...)})
}

// judgeRoutes looks for what cannot be reached.
func (c *court) judgeRoutes() {
	routes := make(map[Key]Call)
	for _, route := range c.Routes {
		routes[route.Key] = route
	}
	for _, life := range c.Lives {
		if !life.To.IsZero() {
			continue
		}
		route, asked := routes[life.Key]
		switch {
		case !asked:
			c.find(Unroutable, life.Key, "%s holds it, and nobody asked a fresh gateway for it", life.Broker)
		case route.Broker != life.Broker:
			c.find(Unroutable, life.Key, "%s holds it, and a fresh gateway said: %s", life.Broker, route.String())
		}
	}
}

// judgeOwners looks for ids that two brokers held.
func (c *court) judgeOwners() {
	for key, lives := range c.lives {
		if key.Binding != "" {
			continue // they are where their instance is
		}
		for n := range lives {
			for m := range n {
				if lives[n].Broker != lives[m].Broker && lives[n].Meets(&lives[m]) {
					c.find(TwoOwners, key, "%s held it when %s came to hold it", lives[m].Broker, lives[n].Broker)
				}
			}
		}
	}
}

// judgeDeletions looks for what lives although a platform was told that it does not.
func (c *court) judgeDeletions() {
	for key, lives := range c.lives {
		for _, life := range lives {
			if !life.To.IsZero() {
				continue
			}
			calls := c.calls[key]
			for n := range calls {
				if calls[n].ConfirmsDeletion() && !createdSince(calls, &calls[n]) {
					c.find(LivesOn, key, "%s holds it, and %s was told that it is deleted: %s",
						life.Broker, calls[n].User, calls[n].String())
					break
				}
			}
		}
	}
}

// createdSince tells whether a create may have come after a deletion was confirmed, or have run beside it.
func createdSince(calls []Call, deletion *Call) bool {
	return slices.ContainsFunc(calls, func(call Call) bool {
		return call.Creates() && call.Ended.After(deletion.Sent)
	})
}

// judgeAnswers looks for calls that were told 404, 410 or an empty catalog wrongly.
func (c *court) judgeAnswers() {
	for n := range c.Calls {
		call := &c.Calls[n]
		if call.Failure != Answered {
			continue
		}
		if call.Kind == Catalog {
			if call.Status == 200 && call.Offerings < c.Offerings {
				c.find(CatalogShrank, Key{}, "%d of %d offerings: %s", call.Offerings, c.Offerings, call.String())
			}
			continue
		}
		if call.Status != 404 && call.Status != 410 {
			continue
		}
		key := call.Key
		if call.Kind == Bind {
			key.Binding = "" // what it needs is the instance
		}
		for _, life := range c.lives[key] {
			if life.Broker != call.Broker && life.Covers(call.Sent, call.Ended) {
				c.find(FalseGoodbye, call.Key, "%s held it all the time: %s", life.Broker, call.String())
			}
		}
	}
}
