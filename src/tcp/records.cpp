#include "tcp/records.hpp"

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"

namespace estab::tcp {

void Connection::end_record(Environment& env) {
    if (active_ == nullptr || active_->send.size() == 0 || !have_extras(env)) return;
    extras_->records.push(active_->send.end());
    has_records_ = true;
}

Seq Connection::record_end() {
    RecordEnds& records = extras_->records;
    while (!records.empty() && records.first() <= tcb_.snd.nxt) records.pop();
    has_records_ = !records.empty();
    return has_records_ ? records.first() : active_->send.end();
}

}  // namespace estab::tcp
