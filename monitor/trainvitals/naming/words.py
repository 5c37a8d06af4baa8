"""The words by which people name what they log.

Collected from the loggers of common frameworks and from several hundred calls in public repositories.
"""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text that is laid out for reading."""
    return frozenset(text.split())


# Words that carry the data split. The families of validation data stand in the order in which we would judge by them.
TRAIN_WORDS = frozenset({"train", "training", "trained", "tr", "trn", "trainer", "fit"})
VALIDATION_FAMILIES: dict[str, frozenset[str]] = {
    "val": frozenset({"val", "vali", "valid", "validation", "validate", "validating", "valset", "vl", "va", "vld"}),
    "eval": frozenset({"eval", "evals", "evaluation", "evaluate", "evaluating", "evaluator"}),
    "dev": frozenset({"dev", "devset"}),
    "holdout": frozenset({"holdout", "heldout"}),
    "test": frozenset({"test", "testing", "tst", "testset", "te"}),
}
VALIDATION_WORDS = frozenset().union(*VALIDATION_FAMILIES.values())
SPLIT_WORDS = TRAIN_WORDS | VALIDATION_WORDS

LOSS_WORDS = frozenset({"loss", "losses"})
LOSS_TYPES = frozenset(
    {"nll", "ce", "xe", "xent", "bce", "cross", "entropy", "crossentropy", "objective", "criterion", "cost", "elbo",
     "nelbo", "lm", "mlm", "clm", "softmax", "language", "likelihood", "negative", "log"}
)  # fmt: skip
"""Kinds of a main loss: where no plain total was logged, one of these is it."""

LONE_LOSS_WORDS = frozenset(
    {"nll", "ce", "xe", "xent", "bce", "crossentropy", "objective", "criterion", "cost", "elbo", "nelbo"}
)
"""Words that mean a loss without saying so."""

LOSS_PARTS = word_set(
    """
    actor adv adversarial alpha att attention attn aux auxiliary balance balancing bbox bce boundary box bpr c
    center ciou class classification classifier cls codebook commit commitment consistency content contrastive
    coord cos cosine critic ctc cycle d dec decoder depth det detection dfl dice dir disc discriminator distil
    distill distillation dis domain dur duration dynamics edge eikonal embed embedding enc encoder energy ent
    entropy f0 feat feature fidelity flow fm focal forward g gan gen generator giou gp gradient heatmap hinge hm
    huber id identity idt infonce ic inverse iou itc itm joint kd keypoint kl kld kpt l0 l1 l2 label laplacian
    latent level link lm load loc localization logit lpips mae margin mask matching mel mlm mmd moe mse mtp neg
    nsp normal obj object objectness offset orth orthogonal orthogonality pde percep perceptual pairwise penalty
    phys physics photometric pi pitch pixel points policy pos pose position postnet preference prior prototype
    proto pseudo q q1 q2 qf quant quantization quantizer rank ranking rcnn rec recon reconstr reconstruct
    reconstruction reg regression regularisation regularization regularizer regularizers relation residual reward
    rgb router rot rotation rpn sdf seg segmentation segm self semantic sim similarity size smooth smoothness
    sparse sparsity ssim ssl stop student style sup supervised surrogate td teacher temporal tok token trans
    translation triplet tv tversky unsup unsupervised v value vae vb vel velocity vf vgg vlb vq wd weight wh z
    zloss
    """
)
"""Words for a part of a loss rather than for the data it was measured on."""

TOTAL_WORDS = frozenset({"total", "overall", "sum", "all", "full", "combined", "final", "tot"})
NEUTRAL_LOSS_WORDS = TOTAL_WORDS | word_set(
    """
    abs average averaged avg batch batchwise by charts current cur curve curves data dataset epoch epochs
    epochwise every for global graph history in info instantaneous it iter iteration iterations learner learning
    local log logger loop main mean meter metric metrics minibatch model monitor net network node of on optim
    optimizer over per perf progress raw rank reduced result results running sample samples scalar scalars set
    smooth smoothed smoothing ema moving stat stats step steps stepwise summary target the time tokens token tb
    tensorboard update updates vs wandb weighted nats iters loader macro micro stage iterstats
    """
)
"""Words that leave a loss the whole loss."""

SMOOTHED_WORDS = frozenset({"ema", "smooth", "smoothed", "smoothing", "moving", "running"})
STEP_WORDS = frozenset({"step", "steps", "iter", "iters", "iteration", "iterations", "batch", "minibatch", "it"})
EPOCH_WORDS = frozenset({"epoch", "epochs"})
NOT_A_LOSS_WORDS = word_set(
    """
    scale scaler scaling weight weights coef coeff coefficient coefficients lambda ratio count num factor
    improvement improved delta diff difference gap change slope patience reduction threshold lr multiplier
    """
)
"""Beside the word loss these name a setting of the loss, or something derived from it."""
STATISTIC_WORDS = frozenset(
    {"std", "stddev", "var", "variance", "max", "min", "maximum", "minimum", "median", "q25", "q75"}
)
BEST_WORDS = frozenset({"best", "lowest", "highest"})

DERIVED_WORDS = frozenset({"gap", "delta", "diff", "difference", "improvement", "improved", "slope"})
"""What is derived from a measure has a direction of its own."""

# Measures other than a loss, by the direction in which they are better.
BETTER_UP = word_set(
    """
    acc accs accuracy accuracies ac f1 fscore f1score fmeasure fbeta auc auroc aucroc rocauc auprc aupr prauc roc
    ap map mapat ar precision recall prec sensitivity specificity iou miou fwiou jaccard dice dsc bleu sacrebleu
    rouge rougel rougelsum meteor cider spice chrf comet bertscore psnr ssim msssim r2 r2score pearson pearsonr
    spearman spearmanr kendall correlation corr mcc kappa qwk ndcg mrr hit hits hitrate em exact score scores win
    winrate success pass solved elo pck nmi ari similarity loglik loglikelihood stoi pesq sdr sisdr snr plcc srcc
    srocc gmean top1 top5 oa r1 r5 r10 correct matthews fitness clipscore wins lddt tm
    """
)
BETTER_DOWN = word_set(
    """
    error errors err wer cer mer ter mae mse rmse mape smape wmape rmsle nrmse msle nmse medae fid kid lpips ppl
    perplexity bpb bpc bpd bpt bpp eer mcd hausdorff hd hd95 assd asd chamfer ade fde minade minfde epe absrel
    sqrel brier ece crps mpjpe pampjpe rms mre nme tre apcer bpcer hter sad niqe
    """
)
VAGUE_MEASURES = frozenset({"score", "scores", "success", "win", "wins", "pass", "solved"})
"""Beside the word reward these measure the reward."""
STAND_INS: tuple[tuple[str, frozenset[str]], ...] = (
    ("bits per byte, character or dimension", frozenset({"bpb", "bpc", "bpd", "bpt"})),
    ("perplexity", frozenset({"ppl", "perplexity"})),
    ("mean squared error", frozenset({"mse", "msle"})),
    ("root mean squared error", frozenset({"rmse", "rms", "rmsle", "nrmse"})),
    ("mean absolute error", frozenset({"mae", "l1"})),
    ("error", frozenset({"error", "errors", "err"})),
)
"""Measures that may stand in where no loss was logged, the one nearest to a loss first."""
EVALUATION_ONLY = word_set(
    """
    ap map ar fid kid bleu sacrebleu rouge rougel rougelsum meteor cider spice chrf comet bertscore wer cer niqe
    elo fitness ndcg mrr
    """
)
"""Measures that are hardly ever taken on training batches."""

# Learning rate and gradient.
NOT_A_LEARNING_RATE = word_set(
    """
    momentum mom wd decay scale scaling mult multiplier factor ratio beta betas beta1 beta2 eps epsilon finder
    weight min max
    """
)
GRADIENT_WORDS = frozenset({"grad", "grads", "gradient", "gradients"})
NORM_WORDS = frozenset({"norm", "norms", "gnorm", "l2norm"})

# Reinforcement learning and adversarial training.
REWARD_WORDS = frozenset({"reward", "rewards", "rew", "rews", "return", "returns"})
EPISODE_WORDS = frozenset({"episode", "episodic", "episodes", "ep", "rollout"})
PREFERENCE_WORDS = frozenset({"chosen", "rejected", "margin", "margins"})
GENERATOR_WORDS = frozenset({"g", "gen", "generator", "netg", "ga", "gb", "gan", "adv"})
DISCRIMINATOR_WORDS = frozenset({"d", "dis", "disc", "discriminator", "netd", "critic", "da", "db"})

# The machine and the books.
TIME_WORDS = frozenset(
    {
        "time",
        "dt",
        "timestamp",
        "wait",
        "timing",
        "timings",
        "timer",
        "duration",
        "runtime",
        "latency",
        "seconds",
        "secs",
        "ms",
        "elapsed",
        "eta",
    }
)
CLOCK_WORDS = frozenset({"time", "timing", "timings", "timer", "runtime", "seconds", "secs", "ms", "elapsed", "eta"})
"""Beside the word loss these mean time spent on it; ``duration_loss`` is a loss of speech synthesis."""
DATA_TIME_WORDS = frozenset({"data", "dataloader", "dataloading", "loading", "load", "fetch", "input", "wait"})
MEMORY_WORDS = frozenset({"memory", "mem", "vram", "gpumem", "ram", "gib", "mib", "rss"})
RATE_WORDS = frozenset(
    {"throughput", "fps", "sps", "wps", "tps", "ups", "mfu", "hfu", "tflops", "tflop", "flops", "qps", "speed", "ips"}
)
PER_TIME_WORDS = frozenset({"s", "sec", "second", "secs", "seconds", "hour", "day", "min"})
TOKEN_WORDS = frozenset({"tokens", "token", "toks", "tok"})
STEP_COUNT_WORDS = frozenset({"step", "steps", "iter", "iters", "iteration", "iterations", "updates", "batches", "itr"})
COUNTER_COMPANIONS = word_set(
    """
    global num n total current cur trainer progress train training index idx count number seen processed so far
    consumed counter charts optimizer optim
    """
)

# How words are glued together without a separator.
GLUED_TAILS = (
    "losses", "loss", "accuracy", "acc", "error", "err", "perplexity", "ppl", "auc", "mse", "mae", "rmse", "miou",
    "iou", "dice", "score", "rate", "norm", "entropy", "reward", "lr", "f1",
)  # fmt: skip
GLUED_HEADS = SPLIT_WORDS | frozenset(
    {"learning", "grad", "gradient", "cross", "total", "avg", "mean", "batch", "epoch"}
)
GLUED_WHOLES = {"tloss": ("train", "loss"), "vloss": ("val", "loss"), "tacc": ("train", "acc"), "vacc": ("val", "acc")}
KEPT_TOGETHER = (
    "GNorm",
    "mAP",
    "mIoU",
    "IoU",
    "nDCG",
    "GiB",
    "MiB",
    "KiB",
    "kNN",
    "pAUC",
    "minADE",
    "minFDE",
    "GPUmem",
)
TRANSLATED = {
    "训练": "train", "訓練": "train", "学習率": "learning rate", "学习率": "learning rate", "學習率": "learning rate",
    "验证": "val", "驗證": "val", "検証": "val", "测试": "test", "測試": "test", "テスト": "test",
    "損失": "loss", "损失": "loss", "准确率": "accuracy", "精度": "accuracy", "正解率": "accuracy",
}  # fmt: skip
