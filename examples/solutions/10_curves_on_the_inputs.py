"""Solutions of lesson 10: a nearly additive network, and the age of concrete."""

import runpy
from pathlib import Path

import numpy as np

lesson = runpy.run_path(str(Path(__file__).parents[1] / "10_curves_on_the_inputs.py"))

# 1. The known table is a sum of functions of one input each, which is what curves past the hidden units can
# be. They need no units.

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=(600, 4))
t = np.abs(x[:, 0]) + np.clip(3 * x[:, 1], -1, 1) + 0.3 * x[:, 2] ** 2
t = t[:, None] + 0.05 * rng.normal(size=(600, 1))
one = lesson["trained"]((x[:400], t[:400]), 1, "auto", 60)
three = lesson["known"]["auto"]
test = x[400:], t[400:]
print(f"one unit: test error {lesson['rms'](one, test):.3f}, three units {lesson['rms'](three, test):.3f}")
assert lesson["rms"](one, test) < 1.15 * lesson["rms"](three, test)

# 2. The mean effect of age. The hinges are at equal shares of the patterns, so that young concrete has most
# of them.

net, (x, _) = lesson["concrete"][5], lesson["train"]
ages = np.array([3.0, 7, 14, 28, 56, 90, 120, 180, 365])
effect = lesson["effect"](net, x, 7, ages)
for age, y in zip(ages, effect - effect[0], strict=True):
    print(f"{age:4.0f} days: {y:5.1f} MPa above 3 days")
share = (effect - effect[0]) / (effect.max() - effect[0])
eighty = ages[np.argmax(share >= 0.8)]
print(f"80 % of the range is reached by {eighty:.0f} days")
assert 28 <= eighty <= 90
