"""Which predicted event stands for which reference event, where several could."""

import numpy as np


def largest_matching(reference, event, clip):
    """Returns a largest one-to-one matching of pairs, sed_eval's own where several are as large: indices of both.

    Args:
        reference: reference event of each pair, `(pairs,)`.
        event: predicted event of each pair, `(pairs,)`.
        clip: clip of each reference event.

    Example:
        >>> matched, claimed = largest_matching(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0, 0]))
        >>> sorted(zip(matched.tolist(), claimed.tolist()))
        [(0, 0), (1, 1)]
    """
    alone = (np.bincount(reference, minlength=1)[reference] == 1) & (np.bincount(event, minlength=1)[event] == 1)
    matched, claimed = reference[alone].tolist(), event[alone].tolist()
    # sed_eval looks at one clip at a time; clips where some pairs compete are few
    graphs: dict[int, dict[int, list[int]]] = {}
    rivals = {int(number) for number in clip[reference[~alone]]}
    for one, other in zip(reference.tolist(), event.tolist(), strict=True):
        if (where := int(clip[one])) in rivals:
            graphs.setdefault(where, {}).setdefault(other, []).append(one)
    in_graph = np.isin(clip[np.array(matched, np.int64)], list(rivals)) if matched else np.zeros(0, bool)
    matched = [one for one, inside in zip(matched, in_graph, strict=True) if not inside]
    claimed = [other for other, inside in zip(claimed, in_graph, strict=True) if not inside]
    for graph in graphs.values():
        chosen = _greedy(graph)
        if len(chosen) < matching_size(graph):
            from sed_eval.util.event_matching import bipartite_match

            chosen = bipartite_match(graph)
        matched += chosen.keys()
        claimed += chosen.values()
    return np.array(matched, np.int64), np.array(claimed, np.int64)


def _greedy(graph):
    """Each event takes its first free reference: where sed_eval's matching begins, and ends if it is a largest one."""
    matching = {}
    for event, references in graph.items():
        for reference in references:
            if reference not in matching:
                matching[reference] = event
                break
    return matching


def matching_size(graph):
    """Returns the size of a largest matching, by augmenting paths.

    Args:
        graph: predicted events to the reference events that each may take.

    Example:
        >>> matching_size({0: [0], 1: [0, 1]})
        2
    """
    owner = {}

    def place(event, seen):
        for reference in graph[event]:
            if reference not in seen:
                seen.add(reference)
                if reference not in owner or place(owner[reference], seen):
                    owner[reference] = event
                    return True
        return False

    return sum(place(event, set()) for event in graph)
