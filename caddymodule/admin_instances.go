package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// adminStoreTimeout bounds what an operator waits for the store.
	adminStoreTimeout = 10 * time.Second
	// maxShownBindings bounds the bindings of an instance that are shown.
	maxShownBindings = 1000
)

// shownInstance is the answer to GET /osb_gateway/instances/{id}.
type shownInstance struct {
	Gateway  string      `json:"gateway"`
	Instance *recordView `json:"instance"`
	bindingsView
}

// bindingsView are the bindings of an instance that are recorded.
type bindingsView struct {
	Bindings []bindingView `json:"bindings"`
	// MoreBindings: there are more of them than are listed.
	MoreBindings bool `json:"more_bindings,omitempty"`
	// BindingsError says why they are not listed.
	BindingsError string `json:"bindings_error,omitempty"`
}

// bindingView is a recorded binding. Of one whose record cannot be read there are the ids and the error only.
type bindingView struct {
	recordView
	Error string `json:"error,omitempty"`
}

// adminShow shows what is recorded of an instance.
func adminShow(r *http.Request, request *adminRequest) (any, error) {
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(r.Context(), adminStoreTimeout)
	defer cancel()
	record, err := rt.ledger.Show(ctx, request.instance)
	if err != nil {
		return nil, rt.recordError(err)
	}
	return shownInstance{
		Gateway: rt.name, Instance: rt.viewRecord(record), bindingsView: rt.viewBindings(ctx, request.instance),
	}, nil
}

// viewBindings lists the bindings of an instance. That they cannot be listed keeps nobody from seeing the instance.
func (rt *runtime) viewBindings(ctx context.Context, instance routing.InstanceID) bindingsView {
	view := bindingsView{Bindings: []bindingView{}}
	listed, more, err := rt.ledger.Bindings(ctx, instance, maxShownBindings)
	if err != nil {
		view.BindingsError = err.Error()
		return view
	}
	view.MoreBindings = more
	for _, binding := range listed {
		record, err := routing.DecodeRecord(binding.Data)
		if err != nil {
			unreadable := &routing.Record{Instance: instance, Binding: binding.Key.Binding}
			view.Bindings = append(view.Bindings, bindingView{recordView: *rt.viewRecord(unreadable), Error: err.Error()})
			continue
		}
		view.Bindings = append(view.Bindings, bindingView{recordView: *rt.viewRecord(record)})
	}
	return view
}

// forgottenInstance is the answer to DELETE /osb_gateway/instances/{id}.
type forgottenInstance struct {
	Gateway string `json:"gateway"`
	// Changed is false if the instance was gone already.
	Changed bool `json:"changed"`
	// OpenCreates counts the creates under way: one that succeeds takes the record back.
	OpenCreates int `json:"open_creates"`
	// Before is the record as it was, Instance as it is now.
	Before   *recordView `json:"before"`
	Instance *recordView `json:"instance"`
	bindingsView
}

// adminForget puts a tombstone in the place of an instance's record.
func adminForget(r *http.Request, request *adminRequest) (any, error) {
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	// Whoever hangs up has it done all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), adminStoreTimeout)
	defer cancel()
	done, err := rt.ledger.Forget(ctx, request.instance)
	if err != nil {
		return nil, rt.recordError(err)
	}
	logAdmin(r, rt, "the record of an instance was forgotten", zap.String("instance_id", string(request.instance)),
		zap.String("backend", string(done.Before.Backend)), zap.String("state", string(done.Before.State)),
		zap.Bool("changed", done.Changed))
	return forgottenInstance{
		Gateway: rt.name, Changed: done.Changed, OpenCreates: done.OpenCreates,
		Before: rt.viewRecord(done.Before), Instance: rt.viewRecord(done.After),
		bindingsView: rt.viewBindings(ctx, request.instance),
	}, nil
}

// recordError says why a record could not be shown or changed.
func (rt *runtime) recordError(err error) error {
	switch {
	case errors.Is(err, routing.ErrNoRecord):
		return adminError(http.StatusNotFound, "gateway %q: %w", rt.name, err)
	case errors.Is(err, routing.ErrUnknownStore):
		return adminError(http.StatusServiceUnavailable,
			"gateway %q: there is no record, but the store may have lost it: %w", rt.name, err)
	case errors.Is(err, routing.ErrUnavailable):
		return adminError(http.StatusServiceUnavailable, "gateway %q: the store does not answer: %w", rt.name, err)
	case errors.Is(err, routing.ErrNewerRecord):
		return adminError(http.StatusConflict, "gateway %q: use the newer gateway that wrote it: %w", rt.name, err)
	}
	return adminError(http.StatusInternalServerError, "gateway %q: the record is damaged: %w", rt.name, err)
}
