package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// Platforms wait much longer than these do, in proportion to the gateway's own deadline as well.
const (
	patientTimeout   = 6 * time.Second
	impatientTimeout = 1500 * time.Millisecond
	pollPause        = 150 * time.Millisecond
	// maxPolling is how long an operation may take before the platform calls it failed.
	maxPolling = 20 * time.Second
	// brokenPause passes before a platform comes back to what it sent over a connection that broke.
	brokenPause = time.Second
	maxPause    = time.Second
	// maxRefusals is after how many refusals in a row a platform gives up a deletion.
	maxRefusals = 11
)

// user is somebody who has a platform make instances, use them and delete them, one after the other.
type user struct {
	Reactions

	name, platform string
	rng            *rand.Rand
	entrance       *Entrance
	contests       chan string
	// stopping is closed when nothing new may be begun, and over when the user may not even try to finish.
	stopping, over <-chan struct{}
	kept           []*instance
	stuck          []Key
}

// instance is one that a user made, or tried to make.
type instance struct {
	id, broker, plan string
	bindings         int
}

func (i *instance) key() Key { return Key{Instance: i.id} }

// done tells whether a channel is closed.
func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pause lets time pass, as users and platforms do between calls. It returns false when everything is over.
func (u *user) pause(length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-u.over:
		return false
	}
}

// think pauses for a while that differs.
func (u *user) think() { u.pause(time.Duration(50+u.rng.IntN(350)) * time.Millisecond) }

func (u *user) chance(percent int) bool { return u.rng.IntN(100) < percent }

// live makes and deletes instances until it is stopped.
func (u *user) live() {
	for !done(u.stopping) {
		u.think()
		switch {
		case u.chance(5):
			u.send(Call{Kind: Catalog, Method: http.MethodGet, Target: "/v2/catalog"}, nil)
		case u.chance(10) && len(u.kept) > 0:
			u.use(u.kept[u.rng.IntN(len(u.kept))])
		default:
			u.life(u.newInstance())
		}
	}
}

// newInstance chooses what to make. Now and then it is an id that another user asks for at the same time.
func (u *user) newInstance() *instance {
	broker := brokerNames[u.rng.IntN(len(brokerNames))]
	i := &instance{id: u.newID(), broker: broker, plan: planNames[u.rng.IntN(len(planNames))]}
	if u.platform != cloudFoundry || !u.chance(10) {
		return i
	}
	select {
	case i.id = <-u.contests:
	case u.contests <- i.id:
	default:
	}
	return i
}

func (u *user) newID() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", u.rng.Uint32(), u.rng.Uint32()&0xffff, u.rng.Uint32()&0xfff,
		u.rng.Uint32()&0xfff, u.rng.Uint64()&0xffffffffffff)
}

// life is all that becomes of an instance.
func (u *user) life(i *instance) {
	switch u.create(i.key(), i, u.provision) {
	case Success:
		for u.chance(60) && !done(u.stopping) {
			u.think()
			u.use(i)
		}
		if u.chance(20) {
			u.kept = append(u.kept, i)
			return
		}
	case Fail:
		if u.chance(40) {
			return // nobody comes back to what may have been made
		}
	default:
	}
	u.think()
	u.remove(i.key(), i)
	if u.chance(15) && !done(u.stopping) {
		again := *i
		again.broker, again.bindings = brokerNames[u.rng.IntN(len(brokerNames))], 0
		u.life(&again)
	}
}

// use does something with an instance that is there.
func (u *user) use(i *instance) {
	switch u.rng.IntN(4) {
	case 0:
		u.send(Call{Kind: FetchInstance, Key: i.key(), Method: http.MethodGet, Target: instancePath(i.id)}, nil)
	case 1:
		if u.platform == cloudFoundry {
			u.change(i)
		}
	default:
		u.bindAndUnbind(i)
	}
}

// create asks for an instance or a binding until the platform knows how it ended.
func (u *user) create(key Key, i *instance, ask func(Key, *instance) *Call) Reaction {
	pause := 2 * pollPause
	for !done(u.over) {
		c := ask(key, i)
		reaction := u.Create(c)
		if c.Failure != Answered {
			u.pause(brokenPause)
		}
		switch reaction {
		case Poll:
			polled := u.poll(key, i, c, u.pollsEach())
			switch {
			case u.platform == korifi && polled != Fail:
				continue // only the answer to another PUT tells it what it wants to know
			case polled == Success:
				return Success
			}
			return Mitigate
		case Again:
			if done(u.stopping) || u.chance(15) {
				return Mitigate // whoever wanted it does not want it any more
			}
			u.pause(pause)
			pause = min(2*pause, maxPause)
			continue
		case Success, Fail, Mitigate, MitigateAgain:
			return reaction
		}
	}
	return Fail
}

// poll asks for an operation until it is over, so many times at most unless that is 0.
func (u *user) poll(key Key, i *instance, began *Call, times int) Reaction {
	kind, path := PollInstance, instancePath(key.Instance)
	if key.Binding != "" {
		kind, path = PollBinding, bindingPath(key)
	}
	query := ids(i)
	if began.Operation != "" {
		query += "&operation=" + url.QueryEscape(began.Operation)
	}
	until := time.Now().Add(maxPolling)
	for n := 0; time.Now().Before(until) && (times == 0 || n < times); n++ {
		if !u.pause(pollPause + time.Duration(u.rng.IntN(100))*time.Millisecond) {
			break
		}
		c := u.send(Call{
			Kind: kind, Key: key, Of: began.Kind, Method: http.MethodGet, Target: path + "/last_operation" + query,
		}, nil)
		if reaction := u.Poll(c); reaction != Poll {
			return reaction
		}
		u.pause(min(time.Duration(c.RetryAfterSeconds)*time.Second, pollPause))
	}
	return Poll
}

// pollsEach is how often the platform polls before it sends its call once more; 0 means that it does not.
func (u *user) pollsEach() int {
	if u.platform == korifi {
		return 1
	}
	return 0
}

// remove sends DELETE until the platform is told that nothing is there, or was refused so often that it gives up.
func (u *user) remove(key Key, i *instance) {
	pause, refusals := pollPause, 0
	for refusals < maxRefusals {
		if done(u.over) {
			u.stuck = append(u.stuck, key)
			return
		}
		c := u.delete(key, i)
		reaction := u.Delete(c)
		if reaction == Poll {
			reaction = u.poll(key, i, c, u.pollsEach())
		}
		if reaction == Success {
			return
		}
		if c.Status == 400 || c.Status == 404 || c.Status == 409 {
			refusals++
		}
		if !u.pause(pause) {
			continue
		}
		pause = min(2*pause, maxPause)
	}
}

// bindAndUnbind has a binding made, looks at it, and has it deleted.
func (u *user) bindAndUnbind(i *instance) {
	i.bindings++
	key := Key{Instance: i.id, Binding: fmt.Sprintf("%s-binding-%d", i.id, i.bindings)}
	switch u.create(key, i, u.bind) {
	case Success:
		u.think()
		target := bindingPath(key)
		if u.platform == korifi {
			target += ids(i)
		}
		u.send(Call{Kind: FetchBinding, Key: key, Method: http.MethodGet, Target: target}, nil)
	case Fail:
		if u.chance(50) {
			return
		}
	default:
	}
	u.remove(key, i)
}

// change has the instance go to another plan.
func (u *user) change(i *instance) {
	plan := map[string]string{syncSmall: syncLarge, syncLarge: syncSmall, asyncPlan: silentPlan, silentPlan: asyncPlan}[i.plan]
	if plan == "" {
		return
	}
	c := u.send(Call{
		Kind: Update, Key: i.key(), Method: http.MethodPatch, Target: instancePath(i.id) + "?accepts_incomplete=true",
	}, map[string]any{
		"service_id": serviceID(i.broker), "plan_id": planID(i.broker, plan),
		"previous_values": map[string]string{"plan_id": planID(i.broker, i.plan)},
	})
	reaction := u.Change(c)
	if reaction == Poll {
		reaction = u.poll(i.key(), i, c, 0)
	}
	if reaction == Success {
		i.plan = plan
	}
}

func (u *user) provision(key Key, i *instance) *Call {
	body := map[string]any{
		"service_id": serviceID(i.broker), "plan_id": planID(i.broker, i.plan), "organization_guid": "org", "space_guid": "space",
	}
	if u.platform == korifi {
		body["parameters"] = nil
	} else {
		body["context"] = map[string]string{"platform": "cloudfoundry", "instance_name": "db"}
	}
	return u.send(Call{
		Kind: Provision, Key: key, Method: http.MethodPut, Target: instancePath(key.Instance) + "?accepts_incomplete=true",
	}, body)
}

func (u *user) bind(key Key, i *instance) *Call {
	body := map[string]any{"service_id": serviceID(i.broker), "plan_id": planID(i.broker, i.plan)}
	if u.platform == korifi {
		body["app_guid"], body["bind_resource"], body["parameters"] = "", map[string]string{"app_guid": ""}, nil
	} else {
		body["app_guid"], body["bind_resource"] = "app", map[string]string{"app_guid": "app", "space_guid": "space"}
	}
	return u.send(Call{
		Kind: Bind, Key: key, Method: http.MethodPut, Target: bindingPath(key) + "?accepts_incomplete=true",
	}, body)
}

func (u *user) delete(key Key, i *instance) *Call {
	c := Call{Kind: Deprovision, Key: key, Method: http.MethodDelete, Target: instancePath(key.Instance)}
	if key.Binding != "" {
		c.Kind, c.Target = Unbind, bindingPath(key)
	}
	c.Target += ids(i) + "&accepts_incomplete=true"
	return u.send(c, nil)
}

// send sends a call as the user's platform does.
func (u *user) send(c Call, body map[string]any) *Call {
	c.User, c.Platform = u.name, u.platform
	text := ""
	if body != nil {
		encoded, _ := json.Marshal(body) // strings and nulls always encode
		text = string(encoded)
	}
	timeout := patientTimeout
	if u.chance(15) {
		timeout = impatientTimeout
	}
	return u.entrance.Send(u.rng, c, text, timeout)
}

func instancePath(id string) string { return "/v2/service_instances/" + id }

func bindingPath(key Key) string {
	return instancePath(key.Instance) + "/service_bindings/" + key.Binding
}

// ids are the query of deletes and polls.
func ids(i *instance) string {
	return "?service_id=" + serviceID(i.broker) + "&plan_id=" + planID(i.broker, i.plan)
}
