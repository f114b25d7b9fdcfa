#include "cli/config_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/suggest.h"

namespace roxanne::cli {
namespace {

std::string long_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? std::string() : option.get_lnames().front();
}

void take_item(CLI::App& app, const std::string& path, const CLI::ConfigItem& item) {
  std::vector<std::string> names;
  for (CLI::Option* option : app.get_options()) {
    const std::string name = long_name(*option);
    if (name.empty() || name == "config" || name == "help") continue;
    names.push_back(name);
    if (name != item.fullname()) continue;
    if (option->count() > 0) return;
    const bool is_flag = option->get_items_expected_max() == 0;
    const std::string value = item.inputs.empty() ? "true" : item.inputs.front();
    if (item.inputs.size() > 1) throw CLI::ConversionError(path + ": " + name + ": one value only");
    option->add_result(is_flag ? option->get_flag_value(name, value) : value);
    option->run_callback();
    return;
  }
  const std::string near = suggest(item.fullname(), names);
  throw CLI::ConfigError(path + ": \"" + item.fullname() + "\" is no option" +
                         (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

}  // namespace

void add_environment(CLI::App& app, const std::string& prefix) {
  for (CLI::Option* option : app.get_options()) {
    std::string name = long_name(*option);
    if (name.empty() || name == "help") continue;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    option->envname(prefix + name);
  }
}

void add_config_file(CLI::App& app, std::string& path) {
  const auto read = [&app, &path](const std::string& value) {
    path = value;
    CLI::ConfigTOML reader;
    for (const CLI::ConfigItem& item : reader.from_file(path)) take_item(app, path, item);
  };
  // Declared last, so it comes after all others have their values.
  app.add_option_function<std::string>("--config", read, "file of options, TOML or INI")
      ->type_name("FILE")
      ->envname("ROXANNE_CONFIG");
}

}  // namespace roxanne::cli
