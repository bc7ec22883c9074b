package sim

// Taboo is a run in which a mishap of a name breaks a promise by being there.
func Taboo(o ClusterOptions, name string) ClusterOptions {
	o.taboo = name
	return o
}
