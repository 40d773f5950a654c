package telemetry

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// platformSampler follows the parent, and knows what B3 can say and a span context cannot: that the platform left the
// decision to us. Cloud Foundry's router always does. To a sampler that sees only the span context this looks like a
// parent that is not sampled, and no call of that platform would ever be traced.
type platformSampler struct {
	// decided follows the parent, and asks root where there is none.
	decided sdktrace.Sampler
	// root decides about traces that nobody decided about.
	root sdktrace.Sampler
}

func newPlatformSampler(root sdktrace.Sampler) platformSampler {
	return platformSampler{decided: sdktrace.ParentBased(root), root: root}
}

// ShouldSample decides about a span that is to begin.
func (s platformSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return s.choose(p.ParentContext).ShouldSample(p)
}

// choose picks the sampler that decides about a span with this parent.
func (s platformSampler) choose(ctx context.Context) sdktrace.Sampler {
	parent := trace.SpanContextFromContext(ctx)
	if parent.IsValid() && !parent.IsRemote() {
		return s.decided
	}
	mark := b3MarkFromContext(ctx)
	switch {
	case parent.IsValid():
		if mark == b3Undecided {
			return s.root
		}
	case mark == b3Deny:
		return sdktrace.NeverSample()
	case mark == b3Accept, mark == b3Debug:
		return sdktrace.AlwaysSample()
	}
	return s.decided
}

// Description names the sampler.
func (s platformSampler) Description() string { return s.decided.Description() }
