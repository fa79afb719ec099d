"""Solutions of lesson 11: a tuned schedule, and AdAct on all patterns."""

import runpy
from pathlib import Path

import pwl

lesson = runpy.run_path(str(Path(__file__).parents[1] / "11_batches.py"))
run, train, test, start = (lesson[name] for name in ("run", "train", "test", "start"))
without_rate = lesson["record"]["test_error"][-1]

# 1. Four runs in place of one. In the end the tuned schedule is about as good.

steps = lesson["ITERATIONS"] * len(train[0]) // lesson["BATCH"]
tuned = {}
for rate in (0.003, 0.01, 0.03, 0.1):
    tuned[rate] = run(pwl.Adam(pwl.schedules.Cosine(rate, steps), train_curves=True))["test_error"][-1]
    print(f"Adam, cosine from {rate:g}: test E = {tuned[rate]:.3f}")
print(f"MinibatchAdAct: {without_rate:.3f}")
assert max(tuned.values()) > 1.2 * min(tuned.values())
assert without_rate < 1.5 * min(tuned.values())

# 2. It has taken 15 steps, and each on better information. MinibatchAdAct has taken 600.

_, record = pwl.train(start, train, pwl.AdAct(), iterations=15, test=test)
print(f"AdAct, 15 iterations: test E = {record['test_error'][-1]:.3f}")
assert record["test_error"][-1] > without_rate
