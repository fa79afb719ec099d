"""Solutions of lesson 4: greedy order, a ridge, and two kinds of dependence tests."""

import runpy
from pathlib import Path

import numpy as np

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "04_owo_and_ols.py"))
x, t, net, B, names = (lesson[name] for name in ("x", "t", "net", "B", "names"))


def E_with(functions):
    """E with some basis functions and their best weights."""
    some = B[:, functions]
    return np.mean((t[:, 0] - some @ np.linalg.lstsq(some, t[:, 0], rcond=None)[0]) ** 2)


# 1. Always the unit that lowers E most.

chosen = [0, 1]
while len(chosen) < 5:
    rest = [k for k in range(5) if k not in chosen]
    chosen.append(min(rest, key=lambda k: E_with([*chosen, k])))
    print(f"next: {names[chosen[-1]]:12s} E = {E_with(chosen):.5f}")
assert names[chosen[2]] == "relu(x)"

# 2. With a ridge every diagonal grows. The dead unit has the energy lambda and C = 0, so its weight is 0. The
# straight unit and the bypass both offer the slope. The sum of two squares is least if they share it equally.
# The constant, which has no penalty, takes care of the shift by 9.

dead, info = pwl.owo_step(lesson["dead"], (x, t), pwl.Penalties(ridge=1e-6))
assert info.dependent == () and dead.W_o[0, 4] == 0
straight, info = pwl.owo_step(lesson["straight"], (x, t), pwl.Penalties(ridge=1e-6))
print("bypass and straight unit with a ridge:", np.round(straight.W_o[0, [1, 4]], 4).tolist())
assert info.dependent == () and np.isclose(straight.W_o[0, 1], straight.W_o[0, 4], rtol=1e-3)

# 3. In kilometres the energies of x and of the units fall by a million. The absolute test drops what is left
# of them; the relative one keeps all.

far = np.hstack([B[:, :1], B[:, 1:] / 1000])
R, C = far.T @ far / len(x), far.T @ t / len(x)
absolute = pwl.OLS(1e-7, relative=False).solve(R, C.T)
relative = pwl.OLS(1e-7).solve(R, C.T)
print("absolute test drops", [names[k] for k in absolute.dependent], "relative test drops", list(relative.dependent))
assert absolute.dependent == (2, 3, 4) and relative.dependent == ()
