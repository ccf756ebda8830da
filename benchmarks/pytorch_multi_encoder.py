"""The 2022 bi-encoder and its mean teacher in PyTorch's best practice: the peer of the detection-step benchmark.

channels_last, fused query-key-value map, `scaled_dot_product_attention`, autocast to bfloat16, foreach RAdam and moving
average, gradients set to None, a teacher without gradients. No masks: absent video is zeros with a weight of 0.
"""

import torch
import torch.nn.functional as F
from torch import nn

DIM, HEADS, HIDDEN, CLASSES, RATE, VECTORS = 128, 3, 512, 10, 0.1, 64
FILTERS = (16, 32, 64, 128, 128, 128, 128)
POOLING = ((2, 2), (2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 1))


class Frontend(nn.Module):
    def __init__(self):
        super().__init__()
        channels = (1, *FILTERS)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            for inputs, outputs in zip(channels, FILTERS, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.1) for outputs in FILTERS)
        self.to(memory_format=torch.channels_last)

    def forward(self, audio):
        x = audio[:, None].contiguous(memory_format=torch.channels_last)
        for convolution, norm, pool in zip(self.convolutions, self.norms, POOLING, strict=True):
            x = F.dropout(F.relu(norm(convolution(x)), inplace=True), RATE)
            if pool != (1, 1):
                x = F.avg_pool2d(x, pool)
        return x[..., 0].transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention; `relative` adds Transformer-XL's scores of distances."""

    def __init__(self, *, cross, relative):
        super().__init__()
        self.cross, self.relative = cross, relative
        width = HEADS * DIM
        self.query = nn.Linear(DIM, width) if cross else None
        self.rest = nn.Linear(DIM, (2 if cross else 3) * width)
        self.output = nn.Linear(width, DIM)
        if relative:
            self.distances = nn.Parameter(0.05 * torch.randn(HEADS, DIM, 2 * VECTORS + 1))
            self.distance_bias = nn.Parameter(torch.zeros(HEADS, 1, DIM))
            self.content_bias = nn.Parameter(torch.zeros(HEADS, 1, DIM))

    def forward(self, x, value=None):
        batch, queries, _ = x.shape
        rest = self.rest(value if self.cross else x)
        keys = rest.shape[1]
        rest = rest.view(batch, keys, -1, HEADS, DIM).permute(2, 0, 3, 1, 4).unbind(0)
        query = self.query(x).view(batch, queries, HEADS, DIM).transpose(1, 2) if self.cross else rest[0]
        scores = None
        if self.relative:
            scores = self.shifted((query + self.distance_bias) * DIM**-0.5, keys)
            query = query + self.content_bias
        heads = F.scaled_dot_product_attention(query, rest[-2], rest[-1], attn_mask=scores, dropout_p=RATE)
        return F.dropout(self.output(heads.transpose(1, 2).reshape(batch, queries, HEADS * DIM)), RATE)

    def shifted(self, query, keys):
        """Scores of all distances by one product, row i moved by i by reshaping."""
        batch, _, queries, _ = query.shape
        count = queries + keys - 1
        offset = -1 if self.cross else 0
        distance = queries - 1 + offset - torch.arange(count + 1)
        table = self.distances[:, :, distance.clamp(-VECTORS, VECTORS) + VECTORS]
        scores = torch.matmul(query, table).flatten(2)[:, :, queries - 1 : queries - 1 + queries * count]
        return scores.view(batch, HEADS, queries, count)[..., :keys]


class FeedForward(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.activation = activation
        self.hidden, self.output = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, DIM)

    def forward(self, x):
        return F.dropout(self.output(F.dropout(self.activation(self.hidden(x)), RATE)), RATE)


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.gated, self.output = nn.Linear(DIM, 2 * DIM), nn.Linear(DIM, DIM)
        self.depthwise = nn.Conv1d(DIM, DIM, 7, padding=3, groups=DIM, bias=False)
        self.norm = nn.BatchNorm1d(DIM, eps=1e-3, momentum=0.1)

    def forward(self, x):
        x = self.norm(self.depthwise(F.glu(self.gated(x)).transpose(1, 2)))
        return F.dropout(self.output(F.silu(x).transpose(1, 2)), RATE)


def layer_norm():
    return nn.LayerNorm(DIM, eps=1e-6)


class CrossAttention(nn.Module):
    def __init__(self, encoders, relative):
        super().__init__()
        self.attentions = nn.ModuleList(Attention(cross=True, relative=relative) for _ in range(encoders))

    def forward(self, x, encoded, weights):
        outputs = (attention(x, value) for attention, value in zip(self.attentions, encoded, strict=True))
        return sum(weight[:, None, None] * y for weight, y in zip(weights.to(x.dtype).unbind(1), outputs, strict=True))


class TransformerBlock(nn.Module):
    def __init__(self, *, decoder):
        super().__init__()
        self.attention, self.feed_forward = Attention(cross=False, relative=False), FeedForward(F.relu)
        self.cross = CrossAttention(2, False) if decoder else None
        self.norms = nn.ModuleList(layer_norm() for _ in range(3 if decoder else 2))

    def forward(self, x, encoded=None, weights=None):
        x = x + self.attention(self.norms[0](x))
        if self.cross is not None:
            x = x + self.cross(self.norms[-1](x), encoded, weights)
        return x + self.feed_forward(self.norms[1](x))


class ConformerBlock(nn.Module):
    def __init__(self, *, decoder):
        super().__init__()
        self.first, self.second = FeedForward(F.silu), FeedForward(F.silu)
        self.attention, self.convolution = Attention(cross=False, relative=True), Convolution()
        self.cross = CrossAttention(2, True) if decoder else None
        self.norms = nn.ModuleList(layer_norm() for _ in range(6 if decoder else 5))

    def forward(self, x, encoded=None, weights=None):
        x = x + 0.5 * self.first(self.norms[0](x))
        x = x + self.attention(self.norms[1](x))
        if self.cross is not None:
            x = x + self.cross(self.norms[-1](x), encoded, weights)
        x = x + self.convolution(self.norms[2](x))
        return self.norms[4](x + 0.5 * self.second(self.norms[3](x)))


class BiEncoder(nn.Module):
    def __init__(self, block):
        super().__init__()
        make = {"transformer": TransformerBlock, "conformer": ConformerBlock}[block]
        absolute = block == "transformer"
        self.frontend, self.visual_map = Frontend(), nn.Linear(512, DIM)
        self.encoders = nn.ModuleList(nn.ModuleList(make(decoder=False) for _ in range(3)) for _ in range(2))
        self.decoder = nn.ModuleList(make(decoder=True) for _ in range(3))
        self.positions = nn.ParameterList(
            nn.Parameter(0.05 * torch.randn(length, DIM)) for length in (VECTORS, VECTORS, 1 + VECTORS) if absolute
        )
        self.final_norms = nn.ModuleList(layer_norm() if absolute else nn.Identity() for _ in range(3))
        self.token = nn.Parameter(0.05 * torch.randn(1, 1, DIM))
        self.output = nn.Linear(DIM, CLASSES)
        self.register_buffer("mean", torch.zeros(64))
        self.register_buffer("deviation", torch.ones(64))

    def forward(self, audio, visual, present):
        audio = self.frontend((audio - self.mean) / self.deviation)
        share = torch.empty(()).uniform_(0.25, 1)
        weights = torch.where(present[:, None], torch.stack([share, 1 - share]), torch.tensor([1.0, 0.0]))
        sequences = [audio, self.visual_map(visual), torch.cat([self.token.expand(len(audio), -1, -1), audio], 1)]
        if len(self.positions):
            sequences = [x + positions for x, positions in zip(sequences, self.positions, strict=True)]
        encoded = []
        for x, blocks, norm in zip(sequences, self.encoders, self.final_norms, strict=False):
            for block in blocks:
                x = block(x)
            encoded.append(norm(x))
        x = sequences[2]
        for block in self.decoder:
            x = block(x, encoded, weights)
        with torch.autocast("cpu", enabled=False):
            probabilities = torch.sigmoid(self.output(self.final_norms[2](x).float()))
        return probabilities[:, 0], probabilities[:, 1:]


def training_step(batch, *, block, bfloat16):
    """Returns a function that makes one mean-teacher step on the batch (arrays by name) and returns the loss."""
    data = {name: torch.from_numpy(value) for name, value in batch.items()}
    inputs = [data["audio"], data["visual"], data["present"]]
    weak, strong = data["supervision"] == 1, data["supervision"] == 2
    student, teacher = BiEncoder(block).train(), BiEncoder(block).train()
    teacher.load_state_dict(student.state_dict())
    parameters, averages = list(student.parameters()), list(teacher.parameters())
    optimizer = torch.optim.RAdam(parameters, lr=1e-3, foreach=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / 10000))

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            with torch.no_grad():
                clip_goal, frame_goal = teacher(*inputs)
            clip, frame = student(*inputs)
        loss = (
            F.binary_cross_entropy(clip[weak], data["clip"][weak])
            + F.binary_cross_entropy(frame[strong], data["frame"][strong])
            + 2 * (F.mse_loss(clip, clip_goal) + F.mse_loss(frame, frame_goal))
        )
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 0.001)
        return loss.item()

    return step
