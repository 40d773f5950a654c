package caddymodule

// parseCatalog reads how catalogs are kept.
func (g *Gateway) parseCatalog(b *block) error {
	g.Catalog = new(CatalogConfig)
	if err := b.end(); err != nil {
		return err
	}
	return b.each(g.Catalog.parse)
}

func (c *CatalogConfig) parse(b *block) error {
	switch b.name {
	case "refresh":
		return b.once((*string)(&c.Refresh))
	case "incomplete":
		return b.oneOf(&c.Incomplete, "serve", "refuse")
	case "withdraw_after":
		return b.once((*string)(&c.WithdrawAfter))
	case "on_name_conflict":
		return b.oneOf(&c.OnNameConflict, conflictQuarantine, conflictPrefix)
	case "materialize_defaults":
		return b.flag(&c.MaterializeDefaults)
	}
	return b.unknown()
}

// parsePolicy reads what a backend's offerings are published as.
func (c *BackendConfig) parsePolicy(b *block) error {
	switch b.name {
	case "include":
		return b.selection(&c.Include)
	case "exclude":
		return b.selection(&c.Exclude)
	case "rename":
		return c.parseRename(b)
	case "prefix":
		return b.once(&c.Prefix)
	case "namespace_ids":
		return b.flag(&c.NamespaceIDs)
	case "drain":
		return b.unlessSeen(func() error {
			c.Drain = drainVisible
			if !b.d.NextArg() {
				return nil
			}
			if c.Drain = b.d.Val(); c.Drain != drainHidden {
				return b.d.Errf("drain: unexpected %q; only `hidden` may follow", c.Drain)
			}
			return b.end()
		})
	}
	return b.unknown()
}

func (c *BackendConfig) parseRename(b *block) error {
	var name, newName string
	if err := b.args(&name, &newName); err != nil {
		return err
	}
	if _, twice := c.Rename[name]; twice {
		return b.d.Errf("rename %q is there twice", name)
	}
	if c.Rename == nil {
		c.Rename = make(map[string]string)
	}
	c.Rename[name] = newName
	return nil
}

// selection reads an offering and those of its plans that are meant, if not all.
func (b *block) selection(target *[]SelectionConfig) error {
	var selection SelectionConfig
	if err := b.first(&selection.Offering); err != nil {
		return err
	}
	if plans := b.d.RemainingArgs(); len(plans) > 0 {
		selection.Plans = plans
	}
	if err := b.noneEmpty(selection.Plans...); err != nil {
		return err
	}
	*target = append(*target, selection)
	return nil
}

// parseOfferings reads what a platform sees, a line of it.
func (p *PlatformConfig) parseOfferings(b *block) error {
	var verdict string
	if err := b.first(&verdict); err != nil {
		return err
	}
	if verdict != "allow" && verdict != "deny" {
		return b.d.Errf("offerings is allow or deny, not %q", verdict)
	}
	selectors := b.d.RemainingArgs()
	if len(selectors) == 0 {
		return b.tooFew()
	}
	if err := b.noneEmpty(selectors...); err != nil {
		return err
	}
	if p.Offerings == nil {
		p.Offerings = new(OfferingsConfig)
	}
	if verdict == "allow" {
		p.Offerings.Allow = append(p.Offerings.Allow, selectors...)
	} else {
		p.Offerings.Deny = append(p.Offerings.Deny, selectors...)
	}
	return nil
}
