"""The files of runs: their names, the manifest that lists them, the runs and their aliases."""
