"""What stands for Terraform's AWS provider: a server of Terraform's plugin protocol (version 6) that knows the types of
deploy/terraform by the provider's own schema (terraform/schema.json), and plans what it is asked for. Terraform validates
the module against it and works every expression out; nothing is applied. What AWS would make up is
NAME.ATTRIBUTE, NAME being the resource's own or its type."""

import concurrent.futures
import json
import os

import grpc
import msgpack
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "terraform", "schema.json")
ADDRESS = "registry.terraform.io/hashicorp/aws"

# message: fields as "name type", by their number; * is repeated, % a map from strings.
MESSAGES = {
    "DynamicValue": {1: "msgpack bytes", 2: "json bytes"},
    "Attribute": {1: "name string", 2: "type bytes", 4: "required bool", 5: "optional bool", 6: "computed bool"},
    "NestedBlock": {1: "type_name string", 2: "block Block", 3: "nesting int64", 4: "min_items int64", 5: "max_items int64"},
    "Block": {2: "attributes *Attribute", 3: "block_types *NestedBlock"},
    "Schema": {1: "version int64", 2: "block Block"},
    "SchemaReply": {1: "provider Schema", 2: "resource_schemas %Schema", 3: "data_source_schemas %Schema"},
    "Request": {1: "type_name string", 2: "config DynamicValue", 3: "proposed DynamicValue"},
    "Planned": {1: "state DynamicValue", 5: "legacy bool"},
    "Read": {1: "state DynamicValue"},
    "Nothing": {},
}
CALLS = {"GetProviderSchema": "SchemaReply", "ValidateProviderConfig": "Nothing", "ValidateResourceConfig": "Nothing",
         "ValidateDataResourceConfig": "Nothing", "ConfigureProvider": "Nothing", "PlanResourceChange": "Planned",
         "ReadDataSource": "Read", "StopProvider": "Nothing"}
# Of the account that does not exist.
KNOWN = {("aws_region", "region"): "eu-west-1", ("aws_partition", "partition"): "aws",
         ("aws_caller_identity", "account_id"): "123456789012"}


def messages():
    proto = descriptor_pb2.FileDescriptorProto(name="tfplugin6.proto", package="tfplugin6", syntax="proto3")
    scalar = {"string": 9, "bytes": 12, "bool": 8, "int64": 3}
    for name, fields in MESSAGES.items():
        message = proto.message_type.add(name=name)
        for number, text in fields.items():
            field, kind = text.split(" ")
            out = message.field.add(name=field, number=number, label=3 if kind[0] in "*%" else 1)
            if kind in scalar:
                out.type = scalar[kind]
                continue
            out.type, out.type_name = 11, ".tfplugin6." + kind.lstrip("*%")
            if kind[0] == "%":
                entry = message.nested_type.add(name=field.title().replace("_", "") + "Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, label=1, type=9)
                entry.field.add(name="value", number=2, label=1, type=11, type_name=".tfplugin6." + kind[1:])
                out.type_name = f".tfplugin6.{name}.{entry.name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName("tfplugin6." + name)) for name in MESSAGES}


class Provider:
    def __init__(self, folder):
        self.types = messages()
        with open(SCHEMA) as f:
            self.schema = json.load(f)
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tfplugin6.Provider", {
            name: grpc.unary_unary_rpc_method_handler(getattr(self, name, self.nothing), None,
                                                      self.types[reply].SerializeToString) for name, reply in CALLS.items()})])
        self.path = os.path.join(folder, "provider.sock")
        self.server.add_insecure_port(f"unix:{self.path}")
        self.server.start()

    def environment(self):
        """For Terraform, which then starts no provider and needs no `init`."""
        return {"TF_REATTACH_PROVIDERS": json.dumps({ADDRESS: {
            "Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True,
            "Addr": {"Network": "unix", "String": self.path}}})}

    def stop(self):
        self.server.stop(0).wait()

    def block(self, known):
        t = self.types
        out = t["Block"]()
        for name, argument in known["arguments"].items():
            out.attributes.add(name=name, type=json.dumps(argument["type"]).encode(), required=argument["required"],
                               optional=not argument["required"], computed=not argument["required"])
        for name, kind in known.get("attributes", {}).items():
            out.attributes.add(name=name, type=json.dumps(kind).encode(), computed=True)
        for name, inner in known["blocks"].items():
            # A list of blocks, of one where the provider takes no more.
            out.block_types.add(type_name=name, block=self.block(inner), nesting=2, min_items=int(inner["required"]),
                                max_items=0 if inner["many"] else 1)
        return out

    def nothing(self, request, context):
        return self.types["Nothing"]()

    def GetProviderSchema(self, request, context):
        out = self.types["SchemaReply"](provider=self.types["Schema"](block=self.types["Block"]()))
        for name, known in self.schema["resource"].items():
            out.resource_schemas[name].block.CopyFrom(self.block(known))
        for name, known in self.schema["data"].items():
            out.data_source_schemas[name].block.CopyFrom(self.block(known))
        return out

    def made(self, where, name, value):
        """The state, with what AWS would make up."""
        known = self.schema[where][name]
        own = value.get("name_prefix") or value.get("family") or value.get("name") or name
        made_up = {"id": "string", "arn": "string", "name": "string", **known.get("attributes", {})}
        for attribute, kind in made_up.items():
            if attribute in value and value[attribute] is None:
                value[attribute] = {"string": f"{own}.{attribute}", "number": 1, "bool": False}.get(kind if isinstance(kind, str) else "", [])
        for (of, attribute), text in KNOWN.items():
            if of == name:
                value[attribute] = text
        if name == "aws_iam_policy_document":
            value["json"] = json.dumps(value["statement"])
        return self.types["DynamicValue"](msgpack=msgpack.packb(value))

    def PlanResourceChange(self, request, context):
        request = self.types["Request"].FromString(request)
        state = msgpack.unpackb(request.proposed.msgpack)
        return self.types["Planned"](state=self.made("resource", request.type_name, state), legacy=True)

    def ReadDataSource(self, request, context):
        request = self.types["Request"].FromString(request)
        state = msgpack.unpackb(request.config.msgpack)
        return self.types["Read"](state=self.made("data", request.type_name, state))
