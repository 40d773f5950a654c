package caddymodule

// resolveStability resolves what the configuration says of how long, and how completely, the catalog is shown.
func (s *settings) resolveStability(r *resolver, c *CatalogConfig) {
	s.withdrawAfter = r.duration("catalog withdraw_after", c.WithdrawAfter, defaultWithdrawAfter)
	switch incomplete := r.text("catalog incomplete", c.Incomplete); incomplete {
	case "", "serve":
	case "refuse":
		s.refuseIncomplete = true
	default:
		r.fail("catalog incomplete %q: it is `serve` or `refuse`", incomplete)
	}
}
