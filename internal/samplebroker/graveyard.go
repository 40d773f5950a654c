package samplebroker

// maxGraves is how many deleted resources are remembered, so that polls of their deletion may repeat.
const maxGraves = 10_000

// graveyard holds the ids of deleted resources, the oldest first.
type graveyard []string

// bury adds an id. When there are too many it names the oldest one, to be forgotten.
func (g *graveyard) bury(id string) (forget string, full bool) {
	*g = append(*g, id)
	if len(*g) <= maxGraves {
		return "", false
	}
	forget, *g = (*g)[0], (*g)[1:]
	return forget, true
}
