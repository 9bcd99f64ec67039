"""python3 tests/e2e/terraform/schema.py WHEEL: makes schema.json beside this file, which has what the AWS provider takes and
gives for the types that deploy/terraform uses. WHEEL is PyPI's cdktf-cdktf-provider-aws, whose classes are generated from
the provider's own schema: `pip download --no-deps cdktf-cdktf-provider-aws==21.22.1`."""

import ast
import glob
import json
import os
import re
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODULE = os.path.join(HERE, "..", "..", "..", "deploy", "terraform", "*.tf")
# Terraform's own, of every resource.
META = {"scope", "id_", "self", "connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


def kind(text):
    """Terraform's type of an annotation without blocks."""
    if "Sequence" in text:
        return ["list", kind(text.split("Sequence", 1)[1])]
    if "Mapping" in text:
        return ["map", kind(text.rsplit(",", 1)[1])]
    return "bool" if "bool" in text else "number" if "Number" in text else "string"


class Package:
    def __init__(self, text):
        self.classes = {c.name: c for c in ast.parse(text).body if isinstance(c, ast.ClassDef)}

    def takes(self, name, stack=()):
        """Arguments and blocks of a class."""
        init = next(f for f in self.classes[name].body if isinstance(f, ast.FunctionDef) and f.name == "__init__")
        arguments, blocks = {}, {}
        for arg, default in zip(init.args.kwonlyargs, init.args.kw_defaults):
            text = ast.unparse(arg.annotation)
            inner = re.search(r"'(\w+)'", text)
            if arg.arg in META:
                continue
            if inner and inner[1] not in stack:
                blocks[arg.arg] = {"many": "Sequence" in text, "required": default is None,
                                   **self.takes(inner[1], (*stack, inner[1]))}
            elif not inner:
                arguments[arg.arg] = {"type": kind(text), "required": default is None}
        return {"arguments": arguments, "blocks": blocks}

    def gives(self, name):
        """What a resource has beyond what it takes."""
        known = {}
        for f in self.classes[name].body:
            if not isinstance(f, ast.FunctionDef) or "builtins.property" not in map(ast.unparse, f.decorator_list):
                continue
            text = ast.unparse(f.returns)
            if not f.name.endswith("_input") and "'" not in text and "_cdktf" not in text:
                known[f.name] = kind(text)
        return known


def main():
    used = set()
    for path in glob.glob(MODULE):
        with open(path) as f:
            used |= set(re.findall(r'^(resource|data) "aws_(\w+)"', f.read(), re.M))
    out = {"resource": {}, "data": {}}
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        for where, name in sorted(used):
            folder = ("data_aws_" if where == "data" else "") + name
            text = wheel.read(f"cdktf_cdktf_provider_aws/{folder}/__init__.py").decode()
            package = Package(text)
            main_class = next(c for c, node in package.classes.items()
                              if any("TerraformResource" in ast.unparse(b) or "TerraformDataSource" in ast.unparse(b) for b in node.bases))
            out["version"] = re.search(r"/providers/hashicorp/aws/([0-9.]+)/", text)[1]
            taken = package.takes(main_class)
            given = {n: t for n, t in package.gives(main_class).items()
                     if n not in taken["arguments"] and n not in taken["blocks"]}
            out[where][f"aws_{name}"] = {**taken, "attributes": given}
    with open(os.path.join(HERE, "schema.json"), "w") as f:
        f.write("{\n")
        f.write(f'"version": "{out.pop("version")}",\n')
        f.write(",\n".join(f'"{where}": {{\n' + ",\n".join(
            f'"{name}": {json.dumps(types, separators=(",", ":"), sort_keys=True)}' for name, types in sorted(kinds.items())) + "\n}"
            for where, kinds in out.items()))
        f.write("\n}\n")


main()
