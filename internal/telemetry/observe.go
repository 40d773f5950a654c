package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The values of labels that stand for something else than a name.
const (
	labelNone  = "none"
	labelOther = "other"

	offeringPublished   = "published"
	offeringQuarantined = "quarantined"
	offeringWarned      = "warned"

	resultOK    = "ok"
	resultError = "error"
)

// Request counts a platform's call: the status that it was answered with, the seconds that it took, and the id of its
// trace if that is sampled (see SampledTraceID), else "".
func (m *Metrics) Request(labels RequestLabels, status int, seconds float64, traceID string) {
	if m == nil {
		return
	}
	m.requestSeries.get(requestKey{labels, code(status)}, m.resolveRequest).observe(seconds, traceID)
}

func (m *Metrics) resolveRequest(key requestKey) timed {
	values := []string{
		key.Gateway, orNone(key.Platform), key.Operation.String(), orNone(key.Backend), codeLabel(key.code),
	}
	return timed{m.requests.WithLabelValues(values...), m.requestDuration.WithLabelValues(values...)}
}

// A BackendRequest is a request on its way to a backend. Its zero value counts nothing.
type BackendRequest struct {
	metrics  *Metrics
	labels   BackendLabels
	inFlight prometheus.Gauge
}

// BackendStarted counts a request to a backend as on its way until Done is called on the result.
func (m *Metrics) BackendStarted(labels BackendLabels) BackendRequest {
	if m == nil {
		return BackendRequest{}
	}
	inFlight := m.inFlight.get(backendName{labels.Gateway, labels.Backend}, m.resolveInFlight)
	inFlight.Inc()
	return BackendRequest{m, labels, inFlight}
}

func (m *Metrics) resolveInFlight(name backendName) prometheus.Gauge {
	return m.backendInFlight.WithLabelValues(name.gateway, name.backend)
}

// Done counts the request: the backend's status, 0 where it did not answer, the seconds that it took, and the id of its
// trace if that is sampled, else "". It is called once.
func (r BackendRequest) Done(status int, seconds float64, traceID string) {
	if r.metrics == nil {
		return
	}
	r.inFlight.Dec()
	r.metrics.backendSeries.get(backendKey{r.labels, code(status)}, r.metrics.resolveBackend).observe(seconds, traceID)
}

// Refused ends a request that was not sent after all, and that is not counted as one.
func (r BackendRequest) Refused() {
	if r.metrics != nil {
		r.inFlight.Dec()
	}
}

func (m *Metrics) resolveBackend(key backendKey) timed {
	values := []string{key.Gateway, key.Backend, key.Operation.String(), codeLabel(key.code)}
	return timed{m.backendRequests.WithLabelValues(values...), m.backendDuration.WithLabelValues(values...)}
}

// BackendUp tells whether a backend answers with a good catalog.
func (m *Metrics) BackendUp(gateway, backend string, up bool) {
	if m == nil {
		return
	}
	m.backendUp.WithLabelValues(gateway, backend).Set(oneIf(up))
}

// BreakerOpen tells whether calls to a backend are refused because it did not answer the last ones.
func (m *Metrics) BreakerOpen(gateway, backend string, open bool) {
	if m == nil {
		return
	}
	m.breakerOpen.WithLabelValues(gateway, backend).Set(oneIf(open))
}

// oneIf is the value of a gauge that says yes or no.
func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// TokenExpiry tells when the token for a backend ends.
func (m *Metrics) TokenExpiry(gateway, backend string, at time.Time) {
	if m == nil {
		return
	}
	m.tokenExpiry.WithLabelValues(gateway, backend).Set(float64(at.UnixMilli()) / 1000)
}

// CatalogFetched tells when the catalog of a backend that is in use was fetched, or confirmed to be still the same.
func (m *Metrics) CatalogFetched(gateway, backend string, at time.Time) {
	if m == nil {
		return
	}
	m.catalogAge.set(backendName{gateway, backend}, at)
}

// CatalogOfferings tells how many offerings the merged catalog has, how many are quarantined, and how many of those that
// it has break a rule that does not matter to every platform.
func (m *Metrics) CatalogOfferings(gateway string, published, quarantined, warned int) {
	if m == nil {
		return
	}
	m.catalogOfferings.WithLabelValues(gateway, offeringPublished).Set(float64(published))
	m.catalogOfferings.WithLabelValues(gateway, offeringQuarantined).Set(float64(quarantined))
	m.catalogOfferings.WithLabelValues(gateway, offeringWarned).Set(float64(warned))
}

// StoreOperation counts a round trip to the store: which operation of it, the seconds that it took, and its error.
func (m *Metrics) StoreOperation(gateway, store, operation string, seconds float64, err error) {
	if m == nil {
		return
	}
	m.storeSeries.get(storeKey{gateway, store, operation, err != nil}, m.resolveStore).observe(seconds, "")
}

func (m *Metrics) resolveStore(key storeKey) timed {
	result := resultOK
	if key.failed {
		result = resultError
	}
	return timed{
		m.storeOperations.WithLabelValues(key.gateway, key.store, key.operation, result),
		m.storeDuration.WithLabelValues(key.gateway, key.store, key.operation),
	}
}

// Expect has what is counted of a gateway as a whole begin at zero, so that the first event shows as a rise.
func (m *Metrics) Expect(gateway string) {
	if m == nil {
		return
	}
	m.storeRetries.WithLabelValues(gateway).Add(0)
}

// StoreCommitRetry counts an outcome that is written to the store once more.
func (m *Metrics) StoreCommitRetry(gateway string) {
	if m == nil {
		return
	}
	m.storeRetries.WithLabelValues(gateway).Inc()
}

// expectSpans has the series of spans begin at zero, so that the first one that is dropped shows as a rise.
func (m *Metrics) expectSpans() {
	for _, result := range []string{spansExported, spansFailed, spansDropped} {
		m.countSpans(result, 0)
	}
}

// countSpans counts spans by what became of them. They belong to the process and to no gateway.
func (m *Metrics) countSpans(result string, spans int) {
	if m == nil {
		return
	}
	m.spans.WithLabelValues(result).Add(float64(spans))
}

// Forget drops the series of a backend that is no longer configured. Call it when the last request to it has ended: one
// that ends later is counted anew.
func (m *Metrics) Forget(gateway, backend string) {
	if m == nil {
		return
	}
	m.forget(gateway, backend, prometheus.Labels{"gateway": gateway, "backend": backend})
}

// ForgetGateway drops all series of a gateway that is no longer configured, under the same condition as Forget.
func (m *Metrics) ForgetGateway(gateway string) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"gateway": gateway}
	m.forget(gateway, "", labels)
	m.storeSeries.forget(
		func(key storeKey) bool { return key.gateway == gateway },
		func() {
			m.storeOperations.DeletePartialMatch(labels)
			m.storeDuration.DeletePartialMatch(labels)
		})
	m.storeRetries.DeletePartialMatch(labels)
	m.catalogOfferings.DeletePartialMatch(labels)
}

// forget drops the series of a backend, or of all backends of the gateway where backend is "".
func (m *Metrics) forget(gateway, backend string, labels prometheus.Labels) {
	match := func(name backendName) bool {
		return name.gateway == gateway && (backend == "" || name.backend == backend)
	}
	m.requestSeries.forget(
		func(key requestKey) bool { return match(backendName{key.Gateway, key.Backend}) },
		func() {
			m.requests.DeletePartialMatch(labels)
			m.requestDuration.DeletePartialMatch(labels)
		})
	m.backendSeries.forget(
		func(key backendKey) bool { return match(backendName{key.Gateway, key.Backend}) },
		func() {
			m.backendRequests.DeletePartialMatch(labels)
			m.backendDuration.DeletePartialMatch(labels)
		})
	m.inFlight.forget(match, func() { m.backendInFlight.DeletePartialMatch(labels) })
	for _, gauges := range []*prometheus.GaugeVec{m.backendUp, m.breakerOpen, m.tokenExpiry} {
		gauges.DeletePartialMatch(labels)
	}
	m.catalogAge.forget(match)
	m.operationsInProgress.forget(gateway, backend)
}

// observe counts one, which took so many seconds. Counters have no exemplars: where Caddy pushes its metrics over OTLP,
// the ids in those of counters and of classic buckets are no trace ids to a collector, which then refuses all of it.
func (t timed) observe(seconds float64, traceID string) {
	t.count.Inc()
	if traceID != "" {
		if exemplar, ok := t.duration.(prometheus.ExemplarObserver); ok {
			exemplar.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": traceID})
			return
		}
	}
	t.duration.Observe(seconds)
}

// code keeps the statuses to those of HTTP, and 0 for all others.
func code(status int) uint16 {
	if status < 100 || status > 599 {
		return 0
	}
	return uint16(status)
}

func codeLabel(code uint16) string {
	if code == 0 {
		return labelOther
	}
	return strconv.Itoa(int(code))
}

func orNone(name string) string {
	if name == "" {
		return labelNone
	}
	return name
}
