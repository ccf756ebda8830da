"""The 2019 audiovisual transformer in PyTorch's best practice: the peer of the training-step benchmark.

Fused query-key-value map, `scaled_dot_product_attention` with its own dropout, fused Adam, gradients set to None.
"""

import torch
import torch.nn.functional as F
from torch import nn

DIM, HEADS, CLASSES, RATE = 128, 3, 17, 0.1


class Attention(nn.Module):
    def __init__(self, *, cross):
        super().__init__()
        self.cross = cross
        width = HEADS * DIM
        self.query = nn.Linear(DIM, width) if cross else None
        self.rest = nn.Linear(DIM, (2 if cross else 3) * width)
        self.output = nn.Linear(width, DIM)

    def forward(self, x, value, mask):
        batch, frames, _ = x.shape
        rest = self.rest(value if self.cross else x)
        rest = rest.view(batch, rest.shape[1], -1, HEADS, DIM).permute(2, 0, 3, 1, 4).unbind(0)
        query = self.query(x).view(batch, frames, HEADS, DIM).transpose(1, 2) if self.cross else rest[0]
        heads = F.scaled_dot_product_attention(
            query, rest[-2], rest[-1], attn_mask=mask[:, None, None, :], dropout_p=RATE * self.training
        )
        return F.dropout(self.output(heads.transpose(1, 2).reshape(batch, frames, HEADS * DIM)), RATE, self.training)


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.output = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)

    def forward(self, x):
        hidden = F.dropout(F.relu(self.hidden(x)), RATE, self.training)
        return F.dropout(self.output(hidden), RATE, self.training)


class Block(nn.Module):
    def __init__(self, *, decoder):
        super().__init__()
        self.attentions = nn.ModuleList(Attention(cross=cross) for cross in ([False, True] if decoder else [False]))
        self.feed_forward = FeedForward()
        self.norms = nn.ModuleList(nn.LayerNorm(DIM, eps=1e-6) for _ in range(len(self.attentions) + 1))

    def forward(self, x, mask, encoded=None, encoded_mask=None):
        for attention, norm in zip(self.attentions, self.norms, strict=False):
            x = norm(x + attention(x, encoded, encoded_mask if attention.cross else mask))
        return self.norms[-1](x + self.feed_forward(x))


class AudiovisualTransformer(nn.Module):
    def __init__(self, *, first_dim=4096, second_dim=128, frames=10):
        super().__init__()
        self.first_map, self.second_map = nn.Linear(first_dim, DIM), nn.Linear(second_dim, DIM)
        self.encoder = nn.ModuleList(Block(decoder=False) for _ in range(3))
        self.decoder = nn.ModuleList(Block(decoder=True) for _ in range(3))
        self.output = nn.Linear(DIM, CLASSES)
        self.register_buffer("positions", torch.randn(frames, DIM))

    def forward(self, first, second, first_mask, second_mask):
        x = (
            F.dropout(self.first_map(torch.where(first_mask[..., None], first, 0.0)), RATE, self.training)
            + self.positions
        )
        for block in self.encoder:
            x = block(x, first_mask)
        y = F.dropout(self.second_map(torch.where(second_mask[..., None], second, 0.0)), RATE, self.training)
        for block in self.decoder:
            y = block(y, second_mask, x, first_mask)
        frames = torch.where(second_mask[..., None], torch.sigmoid(self.output(y)), 0.0)
        return frames.sum(1) / second_mask.sum(1, keepdim=True)


def training_step(batch):
    """Returns a function that makes one training step on the batch (arrays by name) and returns the loss."""
    names = ("video", "audio", "video_mask", "audio_mask", "targets")
    *inputs, targets = (torch.from_numpy(batch[name]) for name in names)
    model = AudiovisualTransformer().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.binary_cross_entropy(model(*inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
