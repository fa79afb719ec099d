"""Linear and nonlinear least squares on the host, for problems of the parameters' size."""
