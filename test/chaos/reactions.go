package chaos

import "github.com/osb-gateway/caddy-osb-gateway/test/platforms"

// Reaction is what a platform does about an answer.
type Reaction = platforms.Reaction

// The reactions that these platforms have.
const (
	Success  = platforms.Success
	Poll     = platforms.Poll
	Fail     = platforms.Fail
	Mitigate = platforms.Mitigate
	Again    = platforms.Again
	// MitigateAgain is what neither of them does.
	MitigateAgain = platforms.MitigateAgain
)

// Reactions is how a platform reads answers.
type Reactions interface {
	// Create reads what answers PUT of an instance or a binding.
	Create(*Call) Reaction
	// Change reads what answers PATCH.
	Change(*Call) Reaction
	// Delete reads what answers DELETE of an instance or a binding.
	Delete(*Call) Reaction
	// Poll reads what answers a poll.
	Poll(*Call) Reaction
}

// CloudFoundry reads answers as its cloud controller does.
type CloudFoundry = reactions[platforms.CloudFoundry]

// Korifi reads answers as its controllers do.
type Korifi = reactions[platforms.Korifi]

// reactions are those of a platform to calls.
type reactions[P platforms.Platform] struct{ platform P }

// Create implements Reactions.
func (r reactions[P]) Create(c *Call) Reaction { return r.platform.Create(c.told()) }

// Change implements Reactions.
func (r reactions[P]) Change(c *Call) Reaction { return r.platform.Change(c.told()) }

// Delete implements Reactions.
func (r reactions[P]) Delete(c *Call) Reaction { return r.platform.Delete(c.told()) }

// Poll implements Reactions.
func (r reactions[P]) Poll(c *Call) Reaction { return r.platform.Poll(c.told()) }

// told is what the platform looks at.
func (c *Call) told() platforms.Answer {
	return platforms.Answer{
		Failure: platforms.Failure(c.Failure), Status: c.Status, Object: c.Object, State: c.State, Error: c.Error,
		Binding: c.Key.Binding != "", Deletes: c.Deletes(),
	}
}
