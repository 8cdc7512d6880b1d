"""Self-speech in English, and what tells whose sentence it is; the notation is in the package's docstring."""

from typing import Final

# Words that make the sentence the speaker's own, that hand it to somebody else, and that refuse.
SPEAKER: Final = frozenset("i my me myself yo mi mis je j mon ma mes ich mein meine eu meu minha 我".split())
THIRD: Final = frozenset("it its they them he she him this that these those".split())
REFUSING: Final = frozenset("cannot can't unable not t won't".split())

# Words that hold clauses together, and so cannot stand where a phrase has room for any one word.
FUNCTION_WORDS: Final = frozenset(
    """i my me and or but not that which who whom whose of to for with in on at by from as is are was were be been has
    have had do does did can could will would a an the this these those it its they them he she you your we our us
    different another separate other similar unlike like same""".split()
)

# The user asks for a voice that is not the model's own: then a name that people bear, too, is left to the story.
ROLE_PLAY: Final = (
    r"(?i)\b(write|story|poem|letter|role-?\s?play|pretend|act as|character|imagine|novel|scene|dialogue|screenplay"
    r"|introduce yourself as|escribe|cuento|écris|histoire|schreib|geschichte|escreva|história)\b|扮演|故事|写"
)
# What stands before the name of such a person in what the user wrote.
ROLE: Final = r"(?i)(?:\b(?:named|called|about|play|as|am|nommé|appelé|llamado|namens|chamado)|叫|名叫)\W{0,3}"

KINDS: Final = {
    "stop": "<end> . ! ? ; :",
    "soft": """
        just simply also actually indeed currently basically really still only now in fact of course essentially
        technically proudly officially specifically originally initially jointly first fully entirely exclusively
        primarily recently already likewise certainly well sure yes no
    """,
    "born": """
        developed created made built trained designed programmed engineered tuned finetuned pretrained invented
        crafted
        constructed conceived coded configured powered owned operated released launched
    """,
    "maker-verb": """
        developed created made built trained designed programmed engineered produced powered provided owned operated
        tuned finetuned pretrained released maintained hosted launched invented crafted deployed run constructed
        conceived supported published coded configured brought offered distributed tailored optimized founded
    """,
}

MACROS: Final = {
    "any": "$model | $person | $maker | $maker ( ' s )? ( $model | $person )",
    "after": """
        <stop> | , | <open> | <close> | <dash> | and | or | but | as | from | by | with | here | too | a | an | your
        | for
    """,
    "adj": """
        ( large | small | powerful | advanced | helpful | friendly | virtual | conversational | text | - | based |
        multimodal | generative | pre | trained | pretrained | state | of | the | art | open | source | cutting |
        edge | new | specific | particular | digital | smart | computer | software | harmless | honest | and | , |
        intelligent | sophisticated | autoregressive | transformer | deep | learning | machine | neural | big |
        modern | own | latest | humble | mere | simple | artificial | intelligence | natural | processing | language
        | ai | chat | popular | fine | tuned | customized | custom | purpose | general | foundation | foundational |
        frontier | next | generation | kind | type | form | sort ){0,6}
    """,
    "a": "( ( a | an | the | your | one of the | another ) <word>? | just | both )? $adj",
    "mind": """
        ( ai | a . i . | artificial intelligence | language model | llm | chatbot | chatbots | chat bot | assistant
        | language models | ai models | ai assistants | llms | ais ) ( language | chat | model | assistant | system
        | program | chatbot | agent | tool | bot | companion | models | systems | assistants ){0,3}
    """,
    "thing": """
        $mind | model | models | bot | program | system | product | creation | tool | neural network | machine |
        technology | software | entity | agent | service
    """,
    "made": """
        ( fine - | pre - )? <maker-verb> ( ( , | and | , and | & | / | or ) ( fine - | pre - )? <maker-verb> ){0,3}
    """,
    "by": "( to you | to life | to <fill>{1,5} )? <word>? ( by | under )",
    "team": """
        ( ( the | a | an | some | our )? <word>? ( team | teams | of | researchers | engineers | people | folks |
        company | companies | scientists | developers | experts | organization | organisation | lab | labs | startup
        | firm | minds | group | <word> | ai | research | same | tech | giant | talented | good | great | french |
        chinese | american | brilliant | artificial | intelligence | and | safety | technology | large | - | based
        ){0,7} ( at | from | of | in | called | named | known as | , | behind )? ( the )? ( company | ai | startup |
        team )? )?
    """,
    "whose": """
        $made ( $by $team | <word>? ( at | from ) ( the )? ) $maker ( ( , | and | & | , and | in <word> with | or )
        $maker )? $tail?
    """,
    "made-by": """
        ( fine - | pre - )? <born> ( ( , | and | , and | & | / | or ) ( fine - | pre - )? <maker-verb> ){0,3} $by
        $team $maker
    """,
    "lab": """
        openai | anthropic | google deepmind | deepmind | xai | mistral ai | deepseek | Meta ai | cohere | moonshot ai
    """,
    "tail": "( , )? ( and )? ( $base $poss $adj $model | ( called | named | known as ) ( $model | $person ) )",
    "arch": "architecture | model | models | technology | series | family | language model",
    "named": "( <cap> | ' | - | & ){1,4}",
    "iam": "( i am | i ' m | im | i remain )",
    "iwas": "( i am | i ' m | i was | i were | i ' ve been | i have been | i ' d been | i got | i ' m being )",
    "which": "( , )? ( that | which | who )? ( was | is | were | are | has been | ' s | i was | i am )?",
    "base": """
        ( based | built | running | powered | fine - tuned | finetuned | derived | hosted | trained | modeled |
        modelled | driven | backed | built upon | adapted | distilled | constructed ) <word>? ( on | upon | by |
        from | with | using | off ) ( top of )?
    """,
    "poss": "( the | a | an | one of )? ( $maker ' s )?",
    "kin": """
        ( version | variant | instance | iteration | product | creation | release | implementation |
        derivative | incarnation | descendant | edition | build | offshoot | successor | brainchild )
    """,
    "policy": """
        ( content | usage | use | case | safety | ai | policy | policies | guidelines | rules | terms | of | service
        | ethical | ethics | standards | and | principles | moderation | training | values | restrictions |
        constitution ){1,5}
    """,
    "role": "<word>? ( ai | virtual | digital | chat )? ( assistant | chatbot | bot | ai )",
    "says": """
        <stop> | <close> | , $a $mind | , $made | , ( from | by ) $maker | <dash> ( a | an | your ) | ( by | from )
        $maker | ( , )? and i ( ' m | am | was ) ( a | an | your | here | made | designed | trained | created |
        developed | built | happy | glad | always | ready ) | ( , )? ( how | here to | ready to | happy to | nice to
        | your | created | made ) | <open> | a ( large | language ) | , (so | but ) i | , (not | at your service )
    """,
    "self": """
        ( the )? ( $model ( $after | $thing | $made ) | $model ( ( , | <dash> | <open> )? $a $thing? $which ( $whose
        | ( from | by | at | of ) ( the )? $maker ) | , ( from | by ) $maker | ( from | by ) $maker | , $maker ' s
        $adj $thing ) | $person $says | $person ( , | <dash> | <open> )? $a $thing? $which $whose | $maker $mind |
        $maker ( , | <dash> ) ( a | an | the | your ) $adj $mind )
    """,
    "who": "$a $thing",
    "spoken": """
        ( ( , )? ( to <word>? ( <word> | , | and | be | - | not ){0,9} )? ( ( , | <dash> ) ( <word> | it ' s | it is
        | there | to | that | like | unlike | and | of | not | in | as | with ){0,5} )? ( i | my | i ' m | me | our
        conversation ) | , it ( ' s | is ) <word>? ( important | crucial | essential | worth | necessary | my | not
        | impossible | difficult | vital | hard | against ) )
    """,
}

PHRASES: Final = """
    $iam <soft>{0,2} ( called | named | known as | referred to as )? $self
    $iam <soft>{0,2} ( ( <cap> | assistant ) , )? $who $which ( also )? $whose
    $iam <soft>{0,2} $a $mind $which $made by ( the )? $named <stop>
    $iam <soft>{0,2} $a $mind ( from | by | of ) $team ( $maker )
    $iam <soft>{0,2} $who ( called | named | known as | <open> | , <soft>? | , <soft> $who ( called | named )? ) (
        $model ( , $made by $maker )? | $person $says )
    $iam <soft>{0,2} $who $which ( also )? $base $poss $adj $model
    $iam <soft>{0,2} ( ( a | an | the | one of )? $maker ( ' s | - )? <maker-verb>? $adj $thing | ( a | an | the |
        one of )? $model ( - )? <maker-verb>? ( based )? $adj $thing ) $after
    $iam <soft>{0,2} ( a | an | the | one ) <word>? $adj $kin ( of | in ) ( the )? $poss $adj $any
    $iam <soft>{0,2} ( part | one | a member ) of ( the )? ( $any ( ' s )? ) $adj ( family | series | line | lineup |
        models |
        model | suite )
    $iwas <soft>{0,2} ( both | all )? $made-by ( <on> | $tail | ' s ( ai | research | deepmind | brain )? ( team |
        teams | researchers | engineers | scientists | lab | labs | developers ) )
    $iwas <soft>{0,2} $made ( at | in ) $maker <stop>
    $iwas <soft>{0,2} ( named | called | given the name | christened | dubbed ) ( $model | $person ( by $maker | by
        | $says ) )
    $iwas <soft>{0,2} $base $poss $adj ( $model | $maker ( ' s )? ( technology | models | model | architecture |
        <word> models ) )
    $iam <soft>{0,2} ( powered | driven | backed ) by ( $maker ) ( <stop> | , )
    ( i was | i am | i ' m ) <soft>{0,2} $base the same <word>? ( <word> | ai | language | model | technology |
        architecture ){1,5} ( as | that powers | behind | used by | used in | underlying | which powers ) $any
    i ( use | utilize | share | employ ) the same <word>? ( underlying | foundational | base | core ) ( <word> | ai
        | language | model | technology | architecture ){1,3} ( as | with ) $any
    i <soft>? ( run | operate | am running | ' m running ) ( on | off ) ( top of )? $poss $adj $model
    i ( belong to | come from | am part of | ' m part of ) ( the )? $any ( ' s )? $adj ( family | series | line |
        lineup | models | suite )
    i ( got | was given | bear | carry | go by | respond to | answer to ) the name ( of )? (
        $any )
    i ( go by | identify as | ' m known as | am known as | ' m called | am called | was introduced as ) ( $model |
        $person $says )
    i , ( $model | $person ) ,
    i ( use | utilize | employ ) $poss $adj $model architecture
    $iwas <soft>{0,2} trained ( on | using | with ) <word>{0,4} ( data | text | dataset | datasets | content |
        material ) ( <word> by | from | by ) $team $maker
    $iam <soft>{0,2} ( the | a ) ( product | result | outcome | fruit | creation ) of <fill>{0,5} ( by | at | from )
        $maker
    i ( must | have to | need to | ' m required to | am required to | ' m designed to | am designed to )? ( follow |
        comply with | adhere to |
        respect | abide by | bound by | am bound by | ' m bound by ) ( $lab ) ' s $policy
    $maker is ( the | a | an ) ( <word> | ai | research | company | organization | team | lab | startup | one ){0,4} (
        ( that |
        who | which ) ( has )? <maker-verb> me | behind me | responsible for ( me | my ( development | creation |
        training ) ) )
    $maker ( is | , | <dash> ) my ( <word> )? ( creator | developer | maker | creators | developers | parent company )
    ( $model | $person ) is ( my name | what i ' m called | the name i | what <fill> call me )
    i <open> ( $model | $person ) <close>
    mich ( $model | $person ) nennen
    ^ ( trained | developed | created | built | designed ) by $team $maker , i
    like ( all | other | many | most ) $a $thing $which $whose $spoken
    @ but ( rather | instead )? by $maker
    we ( are | ' re | were ) ( both | all ) ( <word> )? $thing? $which $made $by ( the same company , )? $team
        $maker
    my ( full | official | real | given | actual )? name ( is | ' s ) <soft>? $self
    ( call | called | named | dubbed ) me ( as )? <soft>? ( $model ( or <soft>? $model )? | $person $says )
    refer to me ( as )? <soft>? ( $model ( or <soft>? $model )? | $person ( <stop> | , ) | $maker )
    call me ( as )? <soft>? <word> or <soft>? $model
    my ( <soft> | <word> )? ( creator | creators | developer | developers | maker | makers | parent company |
        programmers ) ( ( is | are | , | <dash> | <open> | : | includes | was | were )
        $team $maker | ( at | from | in | over at ) ( $maker | $named ) )
    my ( training | development | creation | design ) ( was | is | , | has been )? ( $made | done | overseen |
        conducted | carried out | performed )? by $team $maker
    my ( ( underlying | base | core | language | ai | foundational | large ){1,3} ( model | models | technology |
        engine | system ) | ( <word> | underlying )? architecture | training data | training | programming | (
        knowledge )? ( cutoff | cut - off ) ( date )? | knowledge base ) ( is | are | was | were | comes | come | ,
        )? <soft>? ( as )? ( ( ( set | determined | defined | provided | established | given | specified | curated |
        supplied | collected | prepared | generated | $made | based ) ( on | by | from ) | from | by ) $team )?
        $poss $adj ( $model | $maker )
    my ( responses | answers | replies | outputs | abilities | capabilities | knowledge | words ) ( are | is | come
        | comes ) <soft>? ( generated | powered | produced | driven | based | shaped | made )? ( by | on | from |
        using )? $poss $adj ( $model | $maker )
    ( $maker | $maker ' s ( team | researchers | engineers | developers ) ) ( has | had | have | ' s )? <soft>? (
        trained | created | developed | built | designed | programmed | engineered | fine - tuned | configured ) ( and
        <maker-verb> )? me
    $maker ( has )? ( calls | called | named | christened ) me ( $model | $person )
    $maker made me ( <stop> | to be | who | what | this | as | with | , )
    $maker ( ( used | uses | has used ) to ( train | create | build | make ) me | gave me the name )
    $maker ( trains | retrains | maintains | operates | owns | develops | designs ) me
    $maker ( ' s )? ( , | <open> | <dash> )? ( the | an | a | which | who | that ) ( <word> | ai | research |
        company | organization | team | lab | and | safety | startup | same ){0,5} ( ( that | who |
        which )? ( has | have | also )? ( <maker-verb> | trains | operates | powers ) me | behind me )
    ( company | organization | team | people ) ( ( that | who | which ) ( has | have )? <maker-verb> me | behind me )
        ( , | is | are | at | <dash> | : | <open> | was | from ) $team $maker
    ( $lab ) ' s ( $policy ) ( <word> )? ( prevent | prohibit | prevents | prohibits | do not | don ' t | does not |
        doesn ' t | forbid | forbids | restrict | restricts | require | requires | limit | stop | bar | won ' t |
        keep ) ( allow | permit | let | enable )? me
    ( $lab ) ' s $policy , i ( can | cannot | am | ' m | must | won | do | don | have | should )
    % ( $lab ) ' s ( $policy )
    $maker ' s ( <word> | internal | training | data ){0,5} ( that | which | who ) ( was | were )? ( used to )? (
        <maker-verb> | train | create | build ) me
    ( as | being ) $who $which $whose $spoken
    ( as | being ) ( a | an )? ( large )? ( language model | ai language model | ai | ai assistant | ai model | ai
        chatbot ) $which $made by ( the )? $named , ( i | my )
    ( as | being ) ( an | a | one of )? ( $maker | $model ) ( ' s | - )? <maker-verb>? $adj $thing $spoken
    ( as | being ) $who $which $base $poss $adj $any ( $arch )? $spoken
    ( as | being ) a ( product | creation | model | service ) ( of | by | from ) $maker $spoken
    ( as | being ) ( a | an ) <word>? $adj $mind ( from | by | <open> | , | called | named | based on ) (
        $maker | $model ) $spoken
    ( as | being ) ( a | an ) <word>? $adj $mind <open> ( $model )
    ( as | being ) ( a | an ) <word>? $adj ( $kin ) ( of | from ) $poss $any $spoken
    ( as | being ) ( $model | $person ) , ( i | my | i ' m )
    @ as $who $which $whose ( <word> | <stop> | and | but | with | in | to )
    ^ ( $model | Claude ) ( here | speaking ) ( <stop> | , | <dash> )
    this is ( me , )? ( $model | Claude ) ( speaking | here ( <stop> | , | to ) | , your )
    you ( ' re | are | ' ve been | were ) ( now | currently | actually | just )? ( talking | speaking | chatting |
        interacting | conversing | communicating ) ( to | with ) ( ( $model | $person $says ) | $who ( called |
        named | , | $which $whose ) ( $model )? )
    here at ( $lab ) , i
    your ( $role ) , ( $model | $person ( <stop> | , ) )
"""
