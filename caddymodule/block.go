package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// block walks the subdirectives of one block of a Caddyfile and finds what stands there twice.
type block struct {
	d       *caddyfile.Dispenser
	nesting int
	seen    map[string]bool
	// in is what opens the block: osb_gateway, or a subdirective that has one.
	in string
	// name is the subdirective that the walk is at, and previous the one before it.
	name, previous string
}

func newBlock(d *caddyfile.Dispenser, in string) *block {
	return &block{d: d, nesting: d.Nesting(), seen: make(map[string]bool), in: in}
}

func (b *block) next() bool {
	if !b.d.NextBlock(b.nesting) {
		return false
	}
	b.previous, b.name = b.name, b.d.Val()
	return true
}

// each walks the block of the subdirective that this walk is at, if it has one.
func (b *block) each(parse func(*block) error) error {
	inner := newBlock(b.d, b.name)
	for inner.next() {
		if err := parse(inner); err != nil {
			return err
		}
	}
	return nil
}

// unknown is the error for a subdirective that nobody knows. Where a block stands behind one that takes none, the walk
// comes upon its brace.
func (b *block) unknown() error {
	if b.name == "{" && b.previous != "" {
		return b.d.Errf("%s takes no block", b.previous)
	}
	return b.d.Errf("unknown subdirective %q of %s: %s", b.name, b.in, instead(b.in, b.name))
}

// unlessSeen parses a subdirective that may stand only once.
func (b *block) unlessSeen(parse func() error) error {
	if b.seen[b.name] {
		return b.d.Errf("%s is there twice", b.name)
	}
	b.seen[b.name] = true
	return parse()
}

// tooFew is the error for a subdirective that lacks arguments.
func (b *block) tooFew() error {
	return b.d.Errf("%s has too few arguments: write %s", b.name, usage(b.in, b.name))
}

// args reads exactly these arguments.
func (b *block) args(targets ...*string) error {
	if err := b.first(targets...); err != nil {
		return err
	}
	return b.end()
}

// first reads these arguments; others may follow.
func (b *block) first(targets ...*string) error {
	if !b.d.Args(targets...) {
		return b.tooFew()
	}
	for _, target := range targets {
		if err := b.noneEmpty(*target); err != nil {
			return err
		}
	}
	return nil
}

// once reads the one argument of a subdirective that may stand only once.
func (b *block) once(target *string) error {
	return b.unlessSeen(func() error { return b.args(target) })
}

// flag notes a subdirective that has no argument and may stand only once.
func (b *block) flag(target *bool) error {
	return b.unlessSeen(func() error {
		*target = true
		return b.end()
	})
}

// oneOf reads an argument that is one of these words, or a placeholder.
func (b *block) oneOf(target *string, words ...string) error {
	if err := b.once(target); err != nil {
		return err
	}
	if !slices.Contains(words, *target) && !isPlaceholder(*target) {
		return b.d.Errf("%s is %s, not %q", b.name, strings.Join(words, " or "), *target)
	}
	return nil
}

// list reads one or more arguments of a subdirective that may stand only once.
func (b *block) list(target *[]string) error {
	return b.unlessSeen(func() error {
		*target = b.d.RemainingArgs()
		if len(*target) == 0 {
			return b.tooFew()
		}
		return b.noneEmpty(*target...)
	})
}

// optional reads an argument that may be left out, and sees that no other follows.
func (b *block) optional(target *string) error {
	if b.d.NextArg() {
		*target = b.d.Val()
		if err := b.noneEmpty(*target); err != nil {
			return err
		}
	}
	return b.end()
}

// secretive are the subdirectives whose arguments no error repeats: a password with a space in it looks like two.
var secretive = map[string]bool{
	"basic_auth": true, "bearer_token": true, "client": true, "header": true, "ibm_iam": true, "identity_log": true,
	"jwks_token": true, "jwks_url": true, "oauth2": true, "password": true, "sentinel_password": true, "url": true,
}

// end sees that no argument follows.
func (b *block) end() error {
	if b.d.NextArg() {
		if secretive[b.name] {
			return b.d.Errf("%s has too many arguments: write %s, and one with spaces between quotes", b.name, usage(b.in, b.name))
		}
		return b.d.Errf("%s has too many arguments: unexpected %q; write %s", b.name, b.d.Val(), usage(b.in, b.name))
	}
	return nil
}

// noneEmpty refuses empty arguments: mostly they are variables that nobody set.
func (b *block) noneEmpty(arguments ...string) error {
	if slices.Contains(arguments, "") {
		return b.d.Errf("%s has an empty argument", b.name)
	}
	return nil
}
