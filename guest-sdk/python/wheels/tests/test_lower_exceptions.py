"""Exceptions that become ordinary code do what exceptions do."""

import os
import sys

import pytest
from wasmtime import Config, Engine, Func, FuncType, Instance, Module, Store, wat2wasm

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../steps"))
import lower_exceptions  # noqa: E402

HEAD = '(module (import "env" "log" (func $log)) (tag $t (param i32))'


def functions(text):
    """Returns the exports of a module whose exceptions were lowered, in an engine that knows no exceptions."""
    config = Config()
    config.wasm_exceptions = False
    store = Store(Engine(config))
    module = Module(store.engine, lower_exceptions.Module(bytes(wat2wasm(HEAD + text + ")"))).encode())
    exports = Instance(store, module, [Func(store, FuncType([], []), lambda: None)]).exports(store)
    return lambda name, *arguments: exports[name](store, *arguments)


THROWER = '(func $thrower (param i32) (result i64) (if (local.get 0) (then (throw $t (local.get 0)))) (i64.const 5))'


def test_what_is_thrown_in_a_callee_is_caught_with_its_payload():
    call = functions(THROWER + """
        (func $between (param i32) (result f32) (drop (call $thrower (local.get 0))) (f32.const 1))
        (func (export "f") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $t $caught) (drop (call $between (local.get 0))))
                (i32.const -1)))""")
    assert [call("f", x) for x in (0, 7, 0, 9)] == [-1, 7, -1, 9]


def test_a_throw_inside_blocks_of_its_own_function_goes_to_the_handler():
    call = functions("""
        (func (export "f") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $t $caught)
                    (loop $again (result i32)
                        (block $out (br_if $out (i32.lt_s (local.get 0) (i32.const 10))) (throw $t (local.get 0)))
                        (local.set 0 (i32.add (local.get 0) (i32.const 3)))
                        (br $again)))))""")
    assert call("f", 2) == 11


def test_the_inner_handler_is_asked_first_and_may_throw_again():
    call = functions(THROWER + """
        (func (export "f") (param i32) (result i32)
            (block $outer (result i32)
                (try_table (result i32) (catch $t $outer)
                    (block $inner (result i32)
                        (try_table (catch $t $inner) (drop (call $thrower (local.get 0))))
                        (return (i32.const -1)))
                    (if (param i32) (result i32) (i32.gt_s (local.get 0) (i32.const 5))
                        (then (i32.const 100) (i32.add) (throw $t))
                        (else)))))""")
    assert [call("f", x) for x in (0, 3, 8)] == [-1, 3, 108]


def test_a_reference_to_an_exception_can_be_thrown_again_after_another_one():
    call = functions(THROWER + """
        (func $cleanup (param i32) (local exnref)
            (block $all (result exnref)
                (try_table (catch_all_ref $all) (drop (call $thrower (local.get 0))))
                (return))
            (local.set 1)
            (block $second (result i32)
                (try_table (catch $t $second) (drop (call $thrower (i32.const 77))))
                (i32.const 0))
            (drop)
            (throw_ref (local.get 1)))
        (func (export "f") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $t $caught) (call $cleanup (local.get 0)))
                (i32.const -1)))""")
    assert [call("f", x) for x in (0, 4)] == [-1, 4]


def test_a_throw_through_the_table_is_caught():
    call = functions(THROWER + """
        (type $kind (func (param i32) (result i64)))
        (table 1 funcref) (elem (i32.const 0) $thrower)
        (func $through (param i32) (result i64) (call_indirect (type $kind) (local.get 0) (i32.const 0)))
        (func (export "f") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $t $caught) (drop (call $through (local.get 0))))
                (i32.const -1)))""")
    assert [call("f", x) for x in (0, 6)] == [-1, 6]


def test_a_handler_that_takes_nothing():
    call = functions(THROWER + """
        (func (export "f") (param i32) (result i32)
            (block $caught (try_table (catch_all $caught) (drop (call $thrower (local.get 0))) (return (i32.const 1))))
            (i32.const 2))""")
    assert [call("f", x) for x in (0, 6, 0)] == [1, 2, 1]


def test_two_tags_are_refused():
    with pytest.raises(ValueError, match="only one tag"):
        lower_exceptions.Module(bytes(wat2wasm(HEAD + "(tag $u (param i32)) (func))")))
