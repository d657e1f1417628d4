"""What crosses a process border: inputs, results, process states, workflow ids and queue names."""
