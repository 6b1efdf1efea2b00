// Finding a record by its sequence number: a treap over the list, with priorities that follow from
// the numbers themselves (which start at a secret), so that no order of SACK blocks makes it deep.
#include "tcp/sent.hpp"

namespace estab::tcp {
namespace {

std::uint32_t priority_of(Seq begin) {
    std::uint64_t z = begin.value() * 0x9e3779b97f4a7c15;
    z ^= z >> 29;
    return static_cast<std::uint32_t>((z * 0xbf58476d1ce4e5b9) >> 32);
}

}  // namespace

Sent* SentQueue::find(Seq at) {
    if (first_ == nullptr || at < first_->begin || at >= last_->end) return nullptr;
    if (root_ == nullptr) build_index();
    Sent* node = root_;
    for (;;) {
        CHECK(node != nullptr);
        if (at < node->begin) {
            node = node->left;
        } else if (at >= node->end) {
            node = node->right;
        } else {
            return node;
        }
    }
}

// From a sorted list in one pass: each node climbs the right edge as far as its priority carries
// it.
void SentQueue::build_index() {
    root_ = nullptr;
    Sent* edge = nullptr;
    for (Sent* r = first_; r != nullptr; r = r->next) {
        r->priority = priority_of(r->begin);
        r->left = r->right = nullptr;
        Sent* above = edge;
        Sent* below = nullptr;
        while (above != nullptr && above->priority < r->priority) {
            below = above;
            above = above->up;
        }
        r->up = above;
        r->left = below;
        if (below != nullptr) below->up = r;
        (above != nullptr ? above->right : root_) = r;
        edge = r;
    }
}

void SentQueue::replace_child(Sent* parent, Sent& was, Sent* is) {
    if (parent == nullptr) {
        root_ = is;
    } else {
        (parent->left == &was ? parent->left : parent->right) = is;
    }
    if (is != nullptr) is->up = parent;
}

void SentQueue::rotate_up(Sent& node) {
    Sent& parent = *node.up;
    replace_child(parent.up, parent, &node);
    Sent*& inner = parent.left == &node ? node.right : node.left;
    (parent.left == &node ? parent.left : parent.right) = inner;
    if (inner != nullptr) inner->up = &parent;
    inner = &parent;
    parent.up = &node;
}

// The place behind `before` in order: its right child, or the left one of the next node down there.
void SentQueue::index_insert_after(Sent& before, Sent& added) {
    added.priority = priority_of(added.begin);
    added.left = added.right = nullptr;
    if (before.right == nullptr) {
        before.right = &added;
        added.up = &before;
    } else {
        Sent* node = before.right;
        while (node->left != nullptr) node = node->left;
        node->left = &added;
        added.up = node;
    }
    while (added.up != nullptr && added.up->priority < added.priority) rotate_up(added);
}

void SentQueue::index_remove(Sent& node) {
    while (node.left != nullptr && node.right != nullptr) {
        rotate_up(node.left->priority > node.right->priority ? *node.left : *node.right);
    }
    replace_child(node.up, node, node.left != nullptr ? node.left : node.right);
    node.up = node.left = node.right = nullptr;
}

}  // namespace estab::tcp
