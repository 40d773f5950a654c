package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Action is something that the nemesis does.
type Action string

// The actions. What they are done to is the step's target, a number of a gateway or of a broker.
const (
	// KillGateway ends a gateway with SIGKILL and starts it again after the step's length.
	KillGateway Action = "kill gateway"
	// Reload loads another configuration, and BadReload one that is refused.
	Reload    Action = "reload gateway"
	BadReload Action = "reload gateway with an invalid configuration"
	// KillStore ends the Redis master with SIGKILL and starts it again after the step's length.
	KillStore Action = "kill redis"
	// DropSubscriptions closes the connections by which gateways hear of changes in the store.
	DropSubscriptions Action = "drop pub/sub"
	// Cut closes all connections of a link, and Disturb has it be in trouble.
	CutStore       Action = "cut gateway from redis"
	DisturbStore   Action = "disturb gateway to redis"
	CutBroker      Action = "cut broker"
	DisturbBroker  Action = "disturb broker"
	CutGateway     Action = "cut platforms from gateway"
	DisturbGateway Action = "disturb platforms to gateway"
	// Misbehave has a broker do something wrong with calls for the step's length.
	Misbehave Action = "broker misbehaves"
)

// Step is one thing that goes wrong.
type Step struct {
	// At is when it begins, counted from the beginning of the run, and Length how long it lasts.
	At, Length time.Duration
	Action     Action
	Target     int
	// Part is what of the store is cut off.
	Part Part
	// Detail is the trouble of a link, the name of a fault, or which of two servers is killed.
	Detail string
}

// Part is a part of the store.
type Part string

// The parts. A single server is all of them.
const (
	Everything   Part = "everything"
	FirstServer  Part = "first server"
	SecondServer Part = "second server"
	Sentinels    Part = "sentinels"
)

// replica is the detail of a KillStore that is for the replica.
const replica = "replica"

// parts has what is to be chosen more often more than once.
var parts = []Part{Everything, Everything, FirstServer, SecondServer, Sentinels}

func (s Step) String() string {
	words := []string{fmt.Sprintf("%s %d", s.Action, s.Target)}
	for _, more := range []string{string(s.Part), s.Detail} {
		if more != "" {
			words = append(words, more)
		}
	}
	return fmt.Sprintf("%s for %s", strings.Join(words, ", "), s.Length)
}

// weights tell how often an action is chosen.
var weights = []struct {
	action Action
	weight int
}{
	{KillGateway, 12},
	{Reload, 5},
	{BadReload, 3},
	{KillStore, 8},
	{DropSubscriptions, 4},
	{CutStore, 8},
	{DisturbStore, 12},
	{CutBroker, 8},
	{DisturbBroker, 10},
	{CutGateway, 6},
	{DisturbGateway, 6},
	{Misbehave, 35},
}

var troubles = []Trouble{SwallowUp, SwallowDown, SwallowBoth, Stall, Refuse}

// Schedule returns what goes wrong in a run. It depends on nothing but the seed and how long the run is.
func Schedule(seed uint64, length time.Duration) []Step {
	rng := rand.New(rand.NewPCG(seed, 0))
	faults := slices.Sorted(maps.Keys(faultKinds))
	var steps []Step
	for at := time.Duration(0); ; {
		at += time.Duration(150+rng.IntN(600)) * time.Millisecond
		step := Step{At: at, Action: chooseAction(rng), Length: time.Duration(200+rng.IntN(1800)) * time.Millisecond}
		switch step.Action {
		case Misbehave:
			step.Target, step.Detail = rng.IntN(len(brokerNames)), faults[rng.IntN(len(faults))]
			if rng.IntN(3) == 0 {
				step.Detail = sharpFaults[rng.IntN(len(sharpFaults))]
			}
			step.Length = min(2*step.Length+time.Second, 4*time.Second)
		case CutBroker:
			step.Target = rng.IntN(len(brokerNames))
		case DisturbBroker:
			step.Target, step.Detail = rng.IntN(len(brokerNames)), string(troubles[rng.IntN(len(troubles))])
		case CutStore:
			step.Target, step.Part = rng.IntN(gatewayCount), parts[rng.IntN(len(parts))]
		case DisturbStore:
			step.Target, step.Part = rng.IntN(gatewayCount), parts[rng.IntN(len(parts))]
			step.Detail = string(troubles[rng.IntN(len(troubles))])
		case DisturbGateway:
			step.Target, step.Detail = rng.IntN(gatewayCount), string(troubles[rng.IntN(len(troubles))])
		case KillStore:
			if rng.IntN(4) == 0 {
				step.Detail = replica
			}
		case DropSubscriptions:
		default:
			step.Target = rng.IntN(gatewayCount)
		}
		if step.At+step.Length > length {
			return steps
		}
		steps = append(steps, step)
	}
}

func chooseAction(rng *rand.Rand) Action {
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	n := rng.IntN(total)
	for _, w := range weights {
		if n < w.weight {
			return w.action
		}
		n -= w.weight
	}
	return Misbehave
}
