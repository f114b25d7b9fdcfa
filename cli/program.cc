#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "cli/read_ahead.h"
#include "cli/suggest.h"
#include "roxanne/database.h"

namespace roxanne::cli {
namespace {

using Commands = std::vector<std::unique_ptr<Command>>;

Commands all_commands() {
  Commands commands;
  commands.push_back(make_create_command());
  commands.push_back(make_import_command());
  commands.push_back(make_index_command());
  commands.push_back(make_search_command());
  commands.push_back(make_get_command());
  commands.push_back(make_delete_command());
  commands.push_back(make_eval_command());
  commands.push_back(make_ground_truth_command());
  commands.push_back(make_info_command());
  commands.push_back(make_verify_command());
  commands.push_back(make_export_command());
  commands.push_back(make_convert_command());
  commands.push_back(make_snapshot_command());
  commands.push_back(make_serve_command());
  return commands;
}

std::string general_help(const Commands& commands) {
  std::string text =
      "roxanne: a vector database in one folder\n\nUsage: roxanne VERB ...\n\nVerbs:\n";
  for (const auto& command : commands) {
    std::string name(command->name());
    name.resize(14, ' ');
    text += "  " + name + std::string(command->summary()) + "\n";
  }
  return text +
         "\n\"roxanne VERB --help\" shows a verb's options and examples; --version the version.\n"
         "stdout is data, stderr is messages, --json is for programs.\n"
         "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 locked, 5 corrupt, 6 disk full.\n\n"
         "Examples:\n"
         "  roxanne import photos.rox base.u8bin\n"
         "  roxanne search photos.rox --query query.u8bin --k 10\n"
         "  roxanne info photos.rox";
}

int usage_error(const std::string& message, const std::string& verb) {
  print_message("roxanne: " + (verb.empty() ? "" : verb + ": ") + message);
  print_message("  \"roxanne " + (verb.empty() ? "" : verb + " ") + "--help\" shows what there is");
  return kExitUsage;
}

Command* find_command(const Commands& commands, std::string_view name) {
  for (const auto& command : commands) {
    if (command->name() == name) return command.get();
  }
  return nullptr;
}

int unknown_verb(const Commands& commands, const std::string& word) {
  if (word.starts_with('-')) {
    return usage_error("the verb comes first, options after it: \"" + word + "\" is no verb", "");
  }
  std::vector<std::string> names = {"help"};
  for (const auto& command : commands) names.emplace_back(command->name());
  const std::string near = suggest(word, names);
  return usage_error(
      "unknown verb \"" + word + "\"" + (near.empty() ? "" : "; did you mean \"" + near + "\"?"),
      "");
}

// What CLI11 could not place: the first unknown option, else the first surplus word.
std::string surplus_text(const CLI::App& app) {
  const std::vector<std::string> surplus = app.remaining();
  if (surplus.empty()) return {};
  const auto is_option = [](const std::string& word) {
    return word.size() > 1 && word.front() == '-';
  };
  const auto option = std::find_if(surplus.begin(), surplus.end(), is_option);
  if (option == surplus.end()) return "\"" + surplus.front() + "\" is one argument too many";
  const std::string word = option->substr(0, option->find('='));
  std::vector<std::string> names;
  for (const CLI::Option* known : app.get_options()) {
    for (const std::string& name : known->get_lnames()) names.push_back("--" + name);
  }
  const std::string near = suggest(word, names);
  return "unknown option \"" + word + "\"" +
         (near.empty() ? "" : "; did you mean \"" + near + "\"?");
}

// Runs a parsed command.
int run(Command& command) {
  const std::string verb(command.name());
  try {
    const int code = command.run();
    flush_output();
    return code;
  } catch (const UsageError& error) {
    return usage_error(error.what(), verb);
  } catch (const Failure& failure) {
    const std::string subject = command.subject();
    std::string message = failure.status().message();
    const std::string repeated = subject + ": ";
    if (message.starts_with(repeated)) message.erase(0, repeated.size());
    // The answers found before the failure are good: let them out first.
    std::fflush(stdout);
    print_message("roxanne: " + verb + " " + subject + ": " + message);
    const std::string advice = failure.advice().empty()
                                   ? std::string(advice_of(failure.status().code()))
                                   : failure.advice();
    if (!advice.empty()) print_message("  " + advice);
    return exit_code_of(failure.status().code());
  }
}

int parse_and_run(Command& command, std::vector<std::string> arguments) {
  CLI::App app(std::string(command.summary()) + "\n", "roxanne " + std::string(command.name()));
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("REQUIRED", "(required)");
  app.get_formatter()->label("Positionals", "Arguments");
  app.get_formatter()->label("OPTIONS", "options");
  app.set_help_flag("--help,-h", "show this");
  app.footer("Examples:\n" + std::string(command.examples()));
  command.declare(app);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    std::string help = app.help();
    help.erase(help.find_last_not_of('\n') + 1);
    print_line(help);
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    const std::string surplus = surplus_text(app);
    return usage_error(surplus.empty() ? error.what() : surplus, std::string(command.name()));
  }
  return run(command);
}

int main_of(std::vector<std::string> arguments) {
  const Commands commands = all_commands();
  if (arguments.empty()) {
    print_message(general_help(commands));
    return kExitUsage;
  }
  const std::string word = arguments.front();
  arguments.erase(arguments.begin());
  if (word == "--version" || word == "version") {
    print_line("roxanne " + std::string(version()));
    return kExitOk;
  }
  if (word == "--help" || word == "-h" || word == "help") {
    if (arguments.empty() || word != "help") {
      print_line(general_help(commands));
      return kExitOk;
    }
    Command* command = find_command(commands, arguments.front());
    return command != nullptr ? parse_and_run(*command, {"--help"})
                              : unknown_verb(commands, arguments.front());
  }
  Command* command = find_command(commands, word);
  return command != nullptr ? parse_and_run(*command, std::move(arguments))
                            : unknown_verb(commands, word);
}

// What is beyond a verb's own failures.
int guarded_main(std::vector<std::string> arguments) {
  try {
    const int code = main_of(std::move(arguments));
    flush_output();
    return code;
  } catch (const Failure& failure) {
    print_message("roxanne: " + failure.status().message());
    return exit_code_of(failure.status().code());
  } catch (const std::bad_alloc&) {
    print_message("roxanne: out of memory; a smaller --memory-limit may help");
    return kExitFailure;
  } catch (const std::exception& error) {
    print_message(std::string("roxanne: ") + error.what());
    return kExitFailure;
  }
}

}  // namespace

int run_program(int argument_count, char** arguments) {
  keep_process_memory_small();
  const int code =
      guarded_main(std::vector<std::string>(arguments + 1, arguments + argument_count));
  if (reader_left_behind) {
    std::fflush(nullptr);
    std::_Exit(code);
  }
  return code;
}

}  // namespace roxanne::cli
