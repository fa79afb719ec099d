"""Linear and nonlinear least squares on the host, of the parameters' size."""
