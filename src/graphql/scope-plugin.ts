import SchemaBuilder, {
  BasePlugin,
  type FieldNullability,
  type InputFieldMap,
  type InputShapeFromFields,
  type PothosOutputFieldConfig,
  PothosSchemaError,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core'
import type { GraphQLFieldResolver } from 'graphql'
import { type Principal, requireScope, type Scope } from '../identity/principal.ts'

const pluginName = 'scope'
export default pluginName

type Scopes = Scope | readonly [Scope, ...Scope[]]

/**
 * The scope that a field needs: one, any of several, or one that depends on its arguments. 'none': every caller may
 * select it. A caller without the scope gets the fault FORBIDDEN before the field's resolver or subscriber runs.
 */
export type ScopeRule<Args> = Scopes | 'none' | ((args: Args) => Scopes)

declare global {
  // Pothos plugins add options by merging these interfaces. The parameters must have the names that Pothos gives them.
  /* eslint-disable @typescript-eslint/no-unused-vars, @typescript-eslint/no-namespace */
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      scope: ScopePlugin<Types>
    }

    export interface QueryFieldOptions<
      Types extends SchemaTypes,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveReturnShape,
    > {
      scope: ScopeRule<InputShapeFromFields<Args>>
    }

    export interface MutationFieldOptions<
      Types extends SchemaTypes,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveReturnShape,
    > {
      scope: ScopeRule<InputShapeFromFields<Args>>
    }

    export interface SubscriptionFieldOptions<
      Types extends SchemaTypes,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveShape,
      ResolveReturnShape,
    > {
      scope: ScopeRule<InputShapeFromFields<Args>>
    }

    export interface ObjectFieldOptions<
      Types extends SchemaTypes,
      ParentShape,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveReturnShape,
    > {
      /** Default: 'none'. Set it on fields that lead to data which the root field's scope does not cover. */
      scope?: ScopeRule<InputShapeFromFields<Args>>
    }
  }
  /* eslint-enable */
}

const ROOTS: readonly string[] = ['Query', 'Mutation', 'Subscription']

/**
 * Checks the option `scope` of fields. A root field without it is an error when the schema is built, even if a cast hid
 * that from TypeScript.
 */
export class ScopePlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(fieldConfig: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    if (this.#isRoot(fieldConfig) && ruleOf(fieldConfig) === undefined) {
      throw new PothosSchemaError(
        `${fieldConfig.parentType}.${fieldConfig.name} does not say which scope it needs: add the option scope ('none': every caller may ask).`,
      )
    }
    return fieldConfig
  }

  override wrapResolve(
    resolver: GraphQLFieldResolver<unknown, Types['Context'], object>,
    fieldConfig: PothosOutputFieldConfig<Types>,
  ): GraphQLFieldResolver<unknown, Types['Context'], object> {
    // The scope of a subscription is checked once, when it starts.
    return this.#kindOf(fieldConfig) === 'Subscription' ? resolver : guarded(resolver, fieldConfig)
  }

  override wrapSubscribe(
    subscriber: GraphQLFieldResolver<unknown, Types['Context'], object> | undefined,
    fieldConfig: PothosOutputFieldConfig<Types>,
  ): GraphQLFieldResolver<unknown, Types['Context'], object> | undefined {
    return subscriber && guarded(subscriber, fieldConfig)
  }

  #isRoot(fieldConfig: PothosOutputFieldConfig<Types>): boolean {
    return ROOTS.includes(this.#kindOf(fieldConfig))
  }

  #kindOf({ parentType }: PothosOutputFieldConfig<Types>): string {
    return this.buildCache.getTypeConfig(parentType).kind
  }
}

function guarded<Types extends SchemaTypes>(
  resolver: GraphQLFieldResolver<unknown, Types['Context'], object>,
  fieldConfig: PothosOutputFieldConfig<Types>,
): GraphQLFieldResolver<unknown, Types['Context'], object> {
  const rule = ruleOf(fieldConfig)
  if (rule === undefined || rule === 'none') return resolver
  return (parent, args, context, info) => {
    const { caller } = context as unknown as { readonly caller: Principal }
    const scopes = typeof rule === 'function' ? rule(args) : rule
    if (typeof scopes === 'string') requireScope(caller, scopes)
    else requireScope(caller, ...scopes)
    return resolver(parent, args, context, info)
  }
}

function ruleOf<Types extends SchemaTypes>({
  pothosOptions,
}: PothosOutputFieldConfig<Types>): ScopeRule<object> | undefined {
  return (pothosOptions as { readonly scope?: ScopeRule<object> }).scope
}

SchemaBuilder.registerPlugin(pluginName, ScopePlugin)
