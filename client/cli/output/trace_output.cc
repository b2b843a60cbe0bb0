#include "client/cli/output/trace_output.h"

#include "absl/strings/str_cat.h"
#include "client/cli/input/units.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

constexpr size_t kMaxReasonBytes = 200;

class TreeRenderer {
 public:
  TreeRenderer(const EventTrace& trace, bool color) : trace_(trace), color_(color) {}

  std::string Render() {
    for (const size_t root : trace_.roots()) {
      const TracedEvent& event = trace_.events()[root];
      absl::StrAppend(&text_, FormatMomentWide(event.append_time()), "  ");
      AppendEvent(event);
      if (!event.causation_id.empty()) {
        absl::StrAppend(&text_, "   caused by ", Printable(event.causation_id),
                        ", which was not found\n");
      }
      AppendEffects(event, "");
    }
    return std::move(text_);
  }

 private:
  std::string Styled(const char* style, const std::string& text) const {
    return color_ ? absl::StrCat("\033[", style, "m", text, "\033[0m") : text;
  }
  std::string Bold(const std::string& text) const { return Styled("1", text); }
  std::string Dim(const std::string& text) const { return Styled("2", text); }
  std::string Red(const std::string& text) const { return Styled("31", text); }

  static std::string PlaceText(const TracedPlace& place) {
    return absl::StrCat(place.topic, "/", place.partition, ":", place.offset);
  }
  static std::string After(absl::Time then, absl::Time now) {
    const absl::Duration after = now - then;
    const absl::Duration rounded = absl::Trunc(absl::AbsDuration(after), absl::Milliseconds(1));
    return absl::StrCat(after < absl::ZeroDuration() ? "-" : "+",
                        rounded == absl::ZeroDuration() ? "0ms" : FormatAge(rounded));
  }

  void AppendEvent(const TracedEvent& event) {
    absl::StrAppend(&text_, Bold(Printable(event.type)), "  ", Printable(event.id), "  ",
                    Dim(PlaceText(event.places.front())), "\n");
  }

  // The other places of an event: its copies, and dead letters.
  void AppendPlaces(const TracedEvent& event, const std::string& indent) {
    for (size_t i = 0; i < event.places.size(); ++i) {
      const TracedPlace& place = event.places[i];
      if (i == 0 && place.subscription.empty()) continue;
      const std::string when = After(event.append_time(), place.append_time);
      if (place.subscription.empty()) {
        absl::StrAppend(&text_, indent, "= ", when, "  copied to ", Dim(PlaceText(place)), "\n");
        continue;
      }
      absl::StrAppend(
          &text_, indent,
          Red(absl::StrCat("! ", when, "  dead letter of ", Printable(place.subscription), ": ",
                           PrintableStart(place.reason, kMaxReasonBytes))),
          "  ", Dim(PlaceText(place)), "\n");
    }
  }

  void AppendEffects(const TracedEvent& event, const std::string& indent) {
    const bool any = !event.effects.empty();
    AppendPlaces(event, absl::StrCat(indent, any ? "│  " : "   "));
    for (size_t i = 0; i < event.effects.size(); ++i) {
      const TracedEvent& effect = trace_.events()[event.effects[i]];
      const bool last = i + 1 == event.effects.size();
      absl::StrAppend(&text_, indent, last ? "└─ " : "├─ ",
                      After(event.append_time(), effect.append_time()), "  ");
      AppendEvent(effect);
      AppendEffects(effect, absl::StrCat(indent, last ? "   " : "│  "));
    }
  }

  const EventTrace& trace_;
  const bool color_;
  std::string text_;
};

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace

std::string RenderTrace(const EventTrace& trace, bool color) {
  return TreeRenderer(trace, color).Render();
}

Json TraceJson(const EventTrace& trace, size_t index) {
  const TracedEvent& event = trace.events()[index];
  Json places = Json::array();
  for (const TracedPlace& place : event.places) {
    places.push_back({{"topic", place.topic},
                      {"partition", place.partition},
                      {"offset", place.offset},
                      {"append_time", FormatMoment(place.append_time)},
                      {"dead_letter_of", TextOrNull(place.subscription)},
                      {"reason", TextOrNull(place.reason)}});
  }
  Json effects = Json::array();
  for (const size_t effect : event.effects) effects.push_back(TraceJson(trace, effect));
  return {{"id", event.id},
          {"source", event.source},
          {"type", event.type},
          {"subject", TextOrNull(event.subject)},
          {"causationid", TextOrNull(event.causation_id)},
          {"correlationid", TextOrNull(event.correlation_id)},
          {"places", std::move(places)},
          {"effects", std::move(effects)}};
}

}  // namespace eventhub::cli
