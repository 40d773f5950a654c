package caddymodule

import (
	"sync/atomic"

	"go.uber.org/zap"
)

// storeHealth logs when a store stops answering and when it answers again, not each call that it fails.
type storeHealth struct {
	logger *zap.Logger
	down   atomic.Bool
}

func (h *storeHealth) note(err error) {
	switch {
	case err != nil && h.down.CompareAndSwap(false, true):
		h.logger.Error("the ownership store does not answer; calls get 503 until it does", zap.Error(err))
	case err == nil && h.down.Load() && h.down.CompareAndSwap(true, false):
		h.logger.Info("the ownership store answers again")
	}
}
