package catalogmerge

// View is what some platforms see of the catalog: a prepared answer with an entity tag of its own. It never changes.
type View struct {
	// Body, ETag and Secret are like those of the catalog.
	Body   []byte
	ETag   string
	Secret bool
	// Offerings are the indexes of what Body holds in the Offerings of the catalog.
	Offerings []int
}

// Views returns what platforms see, parallel to what each may see. Those that see the same share one view, and those
// that see everything the catalog's own bytes.
func (c *Catalog) Views(of []*Visibility) []*View {
	views := make([]*View, len(of))
	full := &View{c.Body, c.ETag, c.Secret, c.full}
	known := map[string]*View{string(c.bits(nil)): full}
	for i, v := range of {
		if v.all() {
			views[i] = full
			continue
		}
		bits := c.bits(v)
		view := known[string(bits)]
		if view == nil {
			view = c.view(bits)
			known[string(bits)] = view
		}
		views[i] = view
	}
	return views
}

// bits tells of each offering of the full body, one bit each, whether it is visible.
func (c *Catalog) bits(v *Visibility) []byte {
	bits := make([]byte, (len(c.full)+7)/8)
	var x subject
	for i, index := range c.full {
		if !v.all() {
			c.describe(&x, &c.Offerings[index])
			if !v.shows(&x) {
				continue
			}
		}
		bits[i/8] |= 1 << (i % 8)
	}
	return bits
}

// describe fills x with what selectors look at of a published offering.
func (c *Catalog) describe(x *subject, o *Published) {
	x.backend = c.backend(o.Backend).name()
	x.words = append(x.words[:0], o.Name, o.ID)
	if o.OwnID != o.ID {
		x.words = append(x.words, o.OwnID)
	}
}

func (c *Catalog) view(bits []byte) *View {
	v := new(View)
	size := len(bodyStart) + len(bodyEnd)
	for i, index := range c.full {
		if bits[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		v.Offerings = append(v.Offerings, index)
		v.Secret = v.Secret || c.Offerings[index].DashboardClientID != ""
		size += len(c.Offerings[index].Raw) + len(",")
	}
	v.Body, v.ETag = splice(c.Offerings, v.Offerings, size)
	return v
}

// Visible tells whether a platform may see an offering of a backend, by the backend's own id. One that is not published
// is judged by its ids and every name that it ever had.
func (c *Catalog) Visible(v *Visibility, backend, ownService string) bool {
	return v.all() || v.shows(c.subject(backend, ownService))
}

// subject is what selectors look at of an offering of a backend, published or not.
func (c *Catalog) subject(backend, ownService string) *subject {
	x := new(subject)
	from := c.backend(backend)
	if from == nil {
		x.backend, x.words = backend, []string{ownService}
		return x
	}
	exposed := c.ExposedOffering(backend, ownService)
	if index, ok := c.published[exposed]; ok && c.Offerings[index].Backend == backend {
		c.describe(x, &c.Offerings[index])
		return x
	}
	x.backend, x.words = from.name(), []string{exposed, ownService}
	known := from.copy.Known.Offerings[ownService]
	for name := range known.Names {
		x.words = append(x.words, name)
	}
	x.words = append(x.words, known.OwnNames...)
	return x
}
