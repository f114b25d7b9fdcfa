// roxanne._engine: the engine for Python, without convenience; the package's .py files add that.
#include <nanobind/nanobind.h>

#include <string>

#include "bindings.h"

NB_MODULE(_engine, module) {
  namespace python = roxanne::python;
  python::watch_forks();
  python::register_errors();
  module.def("version", [] { return std::string(roxanne::version()); });
  python::bind_database(module);
  python::bind_collection(module);
}
