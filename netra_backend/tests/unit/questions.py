"""Questions that users bring, and what each is about."""

from netra_backend.reasoner import Topic

QUESTIONS = {
    "Cheaper at equal quality, feature X may take 500 ms, feature Y must stay at 200 ms": (
        Topic.SAVINGS
    ),
    "Tools three times faster, no more money": Topic.SPEED,
    "Cost −20 % and twice as fast while traffic grows 30 %": Topic.SAVINGS,
    "Agent usage +50 % next month: cost and rate limits?": Topic.FORECAST,
    "Ways to optimize one named function, user_authentication": Topic.SAVINGS,
    "Would gpt-4o or claude-3-sonnet work in our setup?": Topic.MODEL_FIT,
    "Which agent tools should move to GPT-5, which variant, what verbosity?": Topic.MODEL_FIT,
    "GPT-5 is too dear for realtime chat: another model, and what happens to quality?": (
        Topic.MODEL_FIT
    ),
    "Audit every use of KV or prompt caching": Topic.CACHE_AUDIT,
    "Was yesterday's upgrade worth it? Roll back where quality hardly moved but cost rose": (
        Topic.CHANGE_REVIEW
    ),
    "We pay too much": Topic.SAVINGS,
    "We are under HIPAA, can you look at our bill?": Topic.COMPLIANCE,
    "Our hard budget is $5k a month": Topic.BUDGET,
    "There is an error storm since Monday": Topic.ERRORS,
    "Chargeback by department": Topic.CHARGEBACK,
    "How much did we spend by model?": Topic.USAGE,
}
