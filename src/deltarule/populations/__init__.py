"""Many models in one program: ensembles, sweeps, cross-validation."""
