"""What is measured on which set, and what there is to reach.

A measurement is (data set, protocol, options of `ondol eval`); every recipe that the program lists
and that answers the protocol takes part. A target is a line of the overview: published figures, the
goal, what is wanted of the quick recipes, and what the closed-form model reached before.
"""
from collections import namedtuple

Measurement = namedtuple("Measurement", "name folder files protocol options title about")
Target = namedtuple("Target", "measurement lists metrics title published goal quick known")

ITEMS = {"interactions": "interactions.csv", "items": "items.csv"}
ML = {**ITEMS, "users": "users.csv"}
ALONE = {"interactions": "interactions.csv"}
FILES = {"interactions": "train.csv", "test": "test.csv"}

# Folders that are no data set: what `ondol generate` is asked for, the same bytes everywhere.
GENERATED = {"lodging": ["lodging", "--users", "20000"]}

MEASUREMENTS = [
    Measurement("ml-1m-aws-external", "ml-1m", ML, "aws-external", [], "MovieLens-1M, aws-external",
                "The newest tenth of every user is relevant; the rest is training and input, as in Amazon's notebooks."),
    Measurement("ml-1m-aws-internal", "ml-1m", ML, "aws-internal", ["--folds", "5"], "MovieLens-1M, aws-internal",
                "A tenth of the users is unseen in training, the newest tenth of each is relevant: Amazon's own "
                "offline test, over five folds."),
    Measurement("ml-1m-aws-internal-last", "ml-1m", ML, "aws-internal-last", ["--folds", "5"],
                "MovieLens-1M, aws-internal-last",
                "A tenth of the users is unseen in training, the last event of each is relevant, as in what Amazon "
                "printed for HRNN in 2019; over five folds."),
    Measurement("ml-1m-loo", "ml-1m", ML, "loo", [], "MovieLens-1M, leave one out",
                "The last event of each user is relevant; training has all but the last two. The query does not know "
                "the time of the event to be predicted."),
    Measurement("ml-1m-loo-target-time", "ml-1m", ML, "loo", ["--target-time"],
                "MovieLens-1M, leave one out, target time known",
                "As leave one out, but the query knows when the event to be predicted happened, as a server does."),
    Measurement("ml-1m-time", "ml-1m", ML, "time", [], "MovieLens-1M, global cut in time",
                "Training ends where nine tenths of all events have happened; everything after it is relevant. No look "
                "into the future, new users and new items included."),
    Measurement("ml-1m-cold", "ml-1m", ML, "cold", [], "MovieLens-1M, cold items",
                "Half of the items are hidden from training and ranked among themselves."),
    Measurement("beauty-loo", "amazon-beauty", ITEMS, "loo", [], "Amazon Beauty, leave one out",
                "Strict, full ranking; the order of events is all that is known of time."),
    Measurement("toys-loo", "amazon-toys", ITEMS, "loo", [], "Amazon Toys, leave one out",
                "Strict, full ranking; the order of events is all that is known of time."),
    Measurement("sports-loo", "amazon-sports", ITEMS, "loo", [], "Amazon Sports, leave one out",
                "Strict, full ranking; the order of events is all that is known of time."),
    Measurement("gowalla-cf", "gowalla", FILES, "cf", [], "Gowalla, LightGCN's split",
                "Unordered check-ins; training items are left out of the lists."),
    Measurement("diginetica-session", "diginetica", FILES, "session", [], "Diginetica, next item of a session",
                "The files of GCE-GNN: each prefix of a test session and the next click; items may repeat."),
    Measurement("deskdrop-aws-internal", "deskdrop", ALONE, "aws-internal", ["--folds", "10"],
                "Deskdrop, aws-internal", "Articles of an intranet, five event types; ten folds: every user is asked."),
    Measurement("deskdrop-time", "deskdrop", ALONE, "time", [], "Deskdrop, global cut in time",
                "Most of what is read after the cut is new: the case for fresh items."),
    Measurement("deskdrop-trend", "deskdrop", ALONE, "trend", ["--folds", "20"], "Deskdrop, what rises next",
                "Twenty moments: which articles grow in the day after each."),
    Measurement("online-retail-trend", "online-retail", ALONE, "trend", ["--folds", "20"],
                "Online Retail, what rises next", "Twenty moments: which products grow in the day after each."),
    Measurement("online-retail-time", "online-retail", ALONE, "time", [], "Online Retail, global cut in time",
                "Purchases of a wholesaler, no k-core; buying again counts."),
    Measurement("online-retail-segment", "online-retail", ALONE, "segment", [], "Online Retail, segments of users",
                "For each item the best 1 % of the users, judged by who bought it within the next 15 days."),
    Measurement("ml-1m-segment-genres", "ml-1m", ML, "segment", ["--segment-by", "GENRES"],
                "MovieLens-1M, segments of users by genre",
                "For each genre the best 1 % of the users, judged by who rated one of its films within 15 days."),
    Measurement("lodging-time", "lodging", ML, "time", [], "Generated lodging data, global cut in time",
                "Ninety days of a generated lodging company (docs/lodging.md): 20,000 users, most of whom were away for "
                "days or weeks when they are asked at the cut; new users and new lodgings included."),
    Measurement("ml-1m-segment", "ml-1m", ML, "segment", [], "MovieLens-1M, segments of users",
                "For each item the best 1 % of the users, judged by who rated it within the next 15 days."),
]

TARGETS = [
    Target("ml-1m-aws-external", "raw", ["precision_at_5", "mrr_at_25"],
           "ML-1M, AWS external, raw: P@5 / MRR@25", "HRNN .1223 / .2776", ".190 / .390", ".170 / .36 (15 s)",
           ".1623 / .3455 (11.5 s)"),
    Target("ml-1m-aws-external", "past_removed", ["precision_at_5", "mrr_at_25"],
           "ML-1M, AWS external, past removed: P@5 / MRR@25", "HRNN .1691 / .3455", ".225 / .430", ".205 / .40 (15 s)",
           ".1987 / .3912"),
    Target("ml-1m-aws-internal-last", "raw", ["mrr_at_25", "ndcg_aws_at_10"], "ML-1M, AWS internal of 2019, last event: MRR@25 / AWS's N@10",
           ".0963 / .1384", ".165 / .200", ".145 / .175 (10 s)", ".135 / .166"),
    Target("ml-1m-loo", "past_removed", ["hit_rate_at_10", "ndcg_at_10"], "ML-1M LOO, no target time: HR@10 / N@10",
           ".3159 / .1857 (GPU, 769 s)", ".340 / .203", ".290 / .176 (5 s); .315 / .187 (6 min)",
           ".2884 / .1752 (15 s)"),
    Target("ml-1m-loo-target-time", "past_removed", ["hit_rate_at_10", "ndcg_at_10"],
           "ML-1M LOO, target time known: HR@10 / N@10", "HSTU-large .3642 / .2164", ".385 / .230",
           ".305 / .185 (20 s); .345 / .205 (6 min)", ".2972 / .1796 (50 s)"),
    Target("beauty-loo", "past_removed", ["hit_rate_at_10", "ndcg_at_10"], "Beauty LOO: HR@10 / N@10", ".0935 / .0544",
           ".105 / .063", ".090 / .056 (12 s)", ".0868 / .0544 (16 s)"),
    Target("toys-loo", "past_removed", ["hit_rate_at_10", "ndcg_at_10"], "Toys LOO: HR@10 / N@10", ".0970 / .0580",
           ".112 / .072", ".100 / .065 (12 s)", ".0995 / .0646 (19 s)"),
    Target("sports-loo", "past_removed", ["hit_rate_at_10", "ndcg_at_10"], "Sports LOO: HR@10 / N@10", ".0569 / .0323",
           ".064 / .039", ".056 / .035 (40 s)", ".0540 / .0337 (54 s)"),
    Target("gowalla-cf", "past_removed", ["recall_at_20", "ndcg_at_20"], "Gowalla: R@20 / N@20", ".1872 / .1580",
           ".195 / .166", ".187 / .157 (10 min)", "popularity .0416 / .0317"),
    Target("diginetica-session", "raw", ["recall_at_20", "mrr_at_20"], "Diginetica: R@20 / MRR@20",
           ".542 / .190 (unchecked)", ".565 / .205", ".53 / .185 (1 s)", ".522 / .182 (0.2 s)"),
    Target("deskdrop-aws-internal", "raw", ["mrr_at_25", "ndcg_aws_at_10"], "Deskdrop, AWS internal: MRR@25 / AWS's N@10",
           ".2701 / .3086", ".36 / .38", ".31 / .33 (2 s)", "–"),
    Target("ml-1m-cold", "raw", ["precision_at_5"], "ML-1M, cold items: P@5", "HRNN-Coldstart .1618", ".26",
           ".21 (30 s)", "–"),
    Target("online-retail-segment", "raw", ["recall_at_1_percent"],
           "Item-Affinity: recall in the top 1 % of users (times the most active users)", ".0752 (4x)", ".15 (6x)",
           "5x (20 s)", "–"),
]

# What no change may fall below, whatever the tables say: measurement, lists, recipe, metric, value.
FLOORS = [
    ("ml-1m-loo", "past_removed", "aws-user-personalization", "hit_rate_at_10", 0.28),
    ("ml-1m-loo", "past_removed", "aws-user-personalization", "ndcg_at_10", 0.17),
    ("ml-1m-aws-external", "raw", "aws-user-personalization", "precision_at_5", 0.1223),
    ("ml-1m-aws-external", "raw", "aws-user-personalization", "mrr_at_25", 0.2776),
]

# The models of user-personalization again, asked for the order of a list: in tables, but neither compared by
# `make test-quality` nor the best of the overview.
AGAIN = {"aws-personalized-ranking", "aws-personalized-ranking-v2"}

# Compared by `make test-quality`: recipes that these tables say train quickly.
QUICK = ["ml-1m-loo", "ml-1m-aws-external"]
QUICK_SECONDS = 80  # all of them together: training by the tables, and QUICK_CALL each for reading and asking
QUICK_CALL = 2.5
